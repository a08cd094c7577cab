"""The cluster that the kubeconfig or the pod's own account leads to, through the `kubernetes` client.

Invariant: one try for each request and a time limit; answers are read as plain JSON, so that neither the
client's models nor its debug log ever hold the value of a Secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import urllib3
import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration, CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.stream import stream

from observer_contracts.evidence.live.access import Answer, Silence

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
_COMMAND_SECONDS = 60.0
_CERTIFICATE = "the certificate is not one that this account trusts"


class KubernetesAccess:
    """The API through the `kubernetes` client.

    Args:
        client: Knows address, certificates and token.
        inside: Whether it was configured by the pod's own account.
        seconds: How long an answer may take.
    """

    def __init__(self, client: ApiClient, *, inside: bool, seconds: float = _ANSWER_SECONDS) -> None:
        self._client = client
        self._inside = inside
        self._seconds = seconds

    @property
    def server(self) -> str:
        return str(self._client.configuration.host)

    @property
    def inside(self) -> bool:
        return self._inside

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Answer | Silence:
        """Asks for a resource."""
        return self._request("GET", path, query or {})

    def delete(self, path: str) -> Answer | Silence:
        """Deletes a resource."""
        return self._request("DELETE", path, {})

    def _request(self, method: str, path: str, query: Mapping[str, str]) -> Answer | Silence:
        try:
            found = self._client.call_api(
                quote(path, safe="/:"),
                method,
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(_CONNECT_SECONDS, self._seconds),
            )
            return Answer(found.status, _json(found.data))
        except ApiException as error:
            return Answer(error.status, _json(error.body)) if error.status else Silence(_CERTIFICATE)
        except AttributeError as error:
            _without_body(error)
            return Silence(_CERTIFICATE)
        except urllib3.exceptions.HTTPError as error:
            return Silence(_why(error))
        except (OSError, ValueError) as error:
            return Silence(type(error).__name__)

    def run(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> str | Silence:
        """Runs a command in a container and returns what it prints."""
        try:
            session = stream(
                CoreV1Api(self._client).connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(command),
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _preload_content=False,
            )
            session.run_forever(timeout=_COMMAND_SECONDS)
            printed = str(session.read_stdout())
            status = session.returncode if not session.is_open() else None
            session.close()
        except ApiException as error:
            return Silence(f"the API does not run commands ({error.status or _first_line(error.reason)})")
        except AttributeError as error:
            _without_body(error)
            return Silence("the API does not run commands for this account")
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Silence(f"the command gave no answer ({type(error).__name__})")
        return printed if status == 0 else Silence(f"the command ended with status {status}")


def open_access(*, seconds: float = _ANSWER_SECONDS) -> KubernetesAccess | Silence:
    """Returns the cluster of the pod's own account, or else that of the kubeconfig."""
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
        inside = True
    except ConfigException:
        inside = False
    try:
        if not inside:
            config.load_kube_config(client_configuration=configuration)
    except ConfigException as error:
        return Silence(f"neither a pod's account nor a kubeconfig: {_first_line(error)}")
    except (OSError, TypeError, ValueError, KeyError, AttributeError, yaml.YAMLError) as error:
        return Silence(f"the kubeconfig cannot be used ({type(error).__name__})")
    configuration.retries = False
    return KubernetesAccess(ApiClient(configuration), inside=inside, seconds=seconds)


def _json(content: Any) -> Any:
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return None


def _why(error: urllib3.exceptions.HTTPError) -> str:
    cause = getattr(error, "reason", None) or error
    names = {
        urllib3.exceptions.NewConnectionError: "the connection is refused, or the address does not exist",
        urllib3.exceptions.ConnectTimeoutError: "no connection within the time limit",
        urllib3.exceptions.ReadTimeoutError: "no answer within the time limit",
        urllib3.exceptions.SSLError: _CERTIFICATE,
    }
    return next((text for kind, text in names.items() if isinstance(cause, kind)), type(cause).__name__)


def _without_body(error: AttributeError) -> None:
    """Lets pass what the client makes of its own error when a handshake fails: it asks for a missing body."""
    if not isinstance(error.__context__, ApiException):
        raise error


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0][:200]
