import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

GOOD = """
schema_version: 1
name: shop
data:
  interactions:
    format: csv
    path: clicks.csv
    columns: {query_id: user, candidate_id: item, timestamp: at}
  queries: {format: csv, path: users.csv, id: user}
  candidates: {format: parquet, path: items.parquet, id: item}
features:
  query:
    country: {type: categorical}
  candidate:
    price: {type: numeric}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "clicks.csv").write_text("user,item,at,device\nu1,i1,1,phone\n")
    (tmp_path / "users.csv").write_text("user,country\nu1,NL\n")
    pq.write_table(pa.table({"item": ["i1"], "price": [1.5]}), tmp_path / "items.parquet")

    def write(change=None, text=None):
        values = yaml.safe_load(GOOD)
        if change:
            change(values)
        file = tmp_path / "shop.yaml"
        file.write_text(text if text is not None else yaml.safe_dump(values, sort_keys=False))
        return file

    return write
