"""A journal written by hand, from the format's description alone: nothing of the journal room is used."""

import base64
import hashlib
import json
import zlib
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from observer_core.settings import Paths, PathSettings

KST = timezone(timedelta(hours=9))
DAY = date(2026, 9, 22)

# com.team.wts KisRealtimeDecoderTest, paper server 2026-09-22 14:06:10 KST: 47 values, a midpoint trade.
TRADE_47 = (
    "005930^140610^277750^2^3750^1.37^280395.69^283000^283500^276500^278000^277500^5^11955000^3352130122500"
    "^83251^86830^3579^120.39^5217059^6280658^5^0.53^53.70^090023^5^-5250^090048^5^-5750^135824^2^1250"
    "^20260922^20^N^47588^70626^794823^496479^0.20^17123443^69.82^0^^283000^2"
)
# A public trading bot, captured 2025-07-30 09:47:51 KST: one frame of three records, 3 x 46 values.
TRADES_46 = (
    "005930^094751^71950^2^1350^1.91^71690.50^71000^72300^70600^72000^71900^1^8305216^595403999350^21115"
    "^28170^7055^136.06^3060313^4163762^5^0.51^29.46^090014^2^950^090708^5^-350^090030^2^1350^20250730^20^N"
    "^93994^113056^1668973^822214^0.14^10584139^78.47^0^^71000",
    "005930^094751^71900^2^1300^1.84^71690.50^71000^72300^70600^72000^71900^2^8305218^595404143150^21116"
    "^28170^7054^136.06^3060315^4163762^5^0.51^29.46^090014^2^900^090708^5^-400^090030^2^1300^20250730^20^N"
    "^93985^112986^1668973^822144^0.14^10584139^78.47^0^^71000",
    "005930^094751^72000^2^1400^1.98^71690.50^71000^72300^70600^72000^71900^75^8305293^595409543150^21116"
    "^28171^7055^136.06^3060315^4163837^1^0.51^29.46^090014^2^1000^090708^5^-300^090030^2^1400^20250730^20^N"
    "^93985^112986^1668973^822144^0.14^10584139^78.47^0^^71000",
)
# A React component of a public project: 59 values.
BOOK_59 = (
    "005930^113019^0^77900^78000^78100^78200^78300^78400^78500^78600^78700^78800^77800^77700^77600^77500"
    "^77400^77300^77200^77100^77000^76900^265881^424306^210852^183696^185249^115895^175905^61693^73772^63546"
    "^14941^219089^328178^246894^220916^131997^140399^127233^211404^214927^1760795^1855978^0^0^0^0^344212"
    "^-77200^5^-100.00^10358640^0^10^0^0^0"
)
# A public python project, 2026-06-29 14:33:54 KST: 62 values, with the midpoint block.
BOOK_62 = (
    "005930^143354^0^324000^324500^325000^325500^326000^326500^327000^327500^328000^328500^323500^323000"
    "^322500^322000^321500^321000^320500^320000^319500^319000^34364^26832^32755^16039^24386^14211^16443"
    "^19597^23179^13243^28602^10731^12584^16973^24121^30969^19788^35604^13932^16282^221049^209586^0^0^0^0"
    "^1347146^-339500^5^-100.00^26718921^-79^8^0^0^0^323750^0^0"
)
# The broker's example of a market operation: the code first, ten values, the last one empty.
EVENT_10 = "005930^N^(null)^AB1^^^^55^N^"

SWING_ROW = {
    "kospi_kosdaq_cls_name": "코스피", "mrkt_trtm_cls_name": "", "hour_cls_code": "0",
    "inter_shrn_iscd": "005930", "inter_kor_isnm": "삼성전자", "inter2_prpr": "277750",
    "inter2_prdy_vrss": "3750", "prdy_vrss_sign": "2", "prdy_ctrt": "1.37", "acml_vol": "11955000",
    "inter2_oprc": "283000", "inter2_hgpr": "283500", "inter2_lwpr": "276500", "inter2_llam": "191800",
    "inter2_mxpr": "356200", "inter2_askp": "278000", "inter2_bidp": "277500", "seln_rsqn": "47588",
    "shnu_rsqn": "70626", "total_askp_rsqn": "794823", "total_bidp_rsqn": "496479",
    "acml_tr_pbmn": "3352130122500", "inter2_prdy_clpr": "274000", "oprc_vrss_hgpr_rate": "0.18",
    "intr_antc_cntg_vrss": "0", "intr_antc_cntg_vrss_sign": "3", "intr_antc_cntg_prdy_ctrt": "0.00",
    "intr_antc_vol": "0", "inter2_sdpr": "274000",
}  # fmt: skip


def at(hour, minute=0, second=0, *, micros=0):
    """Returns a Korean time of the day as nanoseconds since the Unix epoch."""
    moment = datetime(DAY.year, DAY.month, DAY.day, hour, minute, second, tzinfo=KST)
    return int(moment.timestamp()) * 1_000_000_000 + micros * 1000


class Line(dict):
    """A journal line before it is written."""

    def encode(self):
        body = json.dumps(dict(self), ensure_ascii=False, separators=(",", ":"))[:-1].encode()
        return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


class HandWrittenJournal:
    """Segments of both tracks below a data folder, and the recordings that go into them."""

    day = DAY
    at = staticmethod(at)
    trade_47, trades_46, book_59, book_62, event_10 = TRADE_47, TRADES_46, BOOK_59, BOOK_62, EVENT_10

    def __init__(self, data: Path):
        self.data = data
        self._frame = 0

    def line(self, channel, key, payload, *, frame=None, record=0, epoch=1, wall_ns=None, shard="0", **more):
        """Returns a line; each call without a frame number takes the next one."""
        self._frame += 1
        return Line(
            {
                "v": 1, "provider": "kis", "shard": shard, "epoch": epoch,
                "frame": self._frame if frame is None else frame, "record": record,
                "wall_ns": at(14, 6, 10) if wall_ns is None else wall_ns, "mono_ns": self._frame * 1000,
                "channel": channel, "key": key, "payload": payload, **more,
            }
        )  # fmt: skip

    def trade(self, payload=TRADE_47, **more):
        return self.line("H0STCNT0", payload.split("^")[0], payload, **more)

    def swing(self, **values):
        """Returns a row of a sweep with other values than the recorded one."""
        row = {**SWING_ROW, **values}
        payload = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        return self.line("FHKST11300006", row["inter_shrn_iscd"], payload, shard="0-swing")

    def control(self, kind, **payload):
        return self.line("_control", kind, json.dumps(payload))

    def bytes_line(self, channel, key, content):
        """Returns a line whose payload is not text."""
        return self.line(channel, key, base64.b64encode(content).decode(), encoding="base64")

    @staticmethod
    def changed(record, **values):
        """Returns a record with other values at the positions `p<position>`."""
        parts = record.split("^")
        for name, value in values.items():
            parts[int(name[1:])] = str(value)
        return "^".join(parts)

    def segment(self, lines, *, hour=14, sequence=1, shard="0", track="scalp", spoil=None, seal=True):
        """Writes a segment and its manifest.

        Args:
            lines: What it holds.
            spoil: Changes the content after its manifest was computed.
            seal: False leaves the segment open.
        """
        folder = self.data / "assets" / track / f"{DAY:%Y%m%d}"
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{shard}_{hour:02d}_{sequence:06d}"
        content = b"".join(item.encode() for item in lines)
        counts = {}
        for item in lines:
            counts.setdefault(item["channel"], Counter())[item["key"]] += 1
        control = sum(counts.get("_control", {}).values())
        manifest = {
            "format": 1, "segment": f"{stem}.jsonl", "provider": "kis", "shard": shard, "track": track,
            "day": DAY.isoformat(), "hour": hour, "sequence": sequence, "lines": len(lines),
            "records": len(lines) - control, "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "first_wall_ns": at(hour), "last_wall_ns": at(hour),
            "first_epoch": 1, "last_epoch": 1, "counts": counts, "sealed_by": "hour", "continuity": {},
        }  # fmt: skip
        path = folder / f"{stem}.jsonl"
        if not seal:
            path.with_suffix(".jsonl.open").write_bytes(content)
            return None
        path.write_bytes(spoil(content) if spoil else content)
        (folder / f"{stem}.manifest.json").write_text(json.dumps(manifest))
        return path


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "data").mkdir()
    return Paths(
        PathSettings.load(
            {"OBSERVER_DATA_DIR": str(tmp_path / "data"), "OBSERVER_SNAPSHOT_DIR": str(tmp_path)}
        )
    )


@pytest.fixture
def journal(paths):
    return HandWrittenJournal(paths.data)
