"""The lake: the journal as typed Parquet tables.

On disk, below the lake's folder:

    open/<table>/date=YYYY-MM-DD/hour=HH/hour.parquet   one receive hour (Korean time) of an open day
    open/bars_1m/date=YYYY-MM-DD/so_far.parquet         made of all hours so far
    open/receipts/date=YYYY-MM-DD/hour=HH.json          what an hour was made from; written last
    <table>/date=YYYY-MM-DD/day.parquet                 a closed day; takes over by existing
    receipts/date=YYYY-MM-DD.json                       the receipts of a closed day's hours

Compaction (`compaction`) takes sealed segments and gives every line one place: a row of a table, or a
line of quarantine with its reason. Files are replaced whole; a reader (`readers`) sees the old file
or the new one. The same segments give the same bytes.
"""
