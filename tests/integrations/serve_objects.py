"""An object store that speaks S3's protocol on a port of this machine, until its input ends; a line says where."""

import sys
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
host, port = server.get_host_and_port()
address = f"http://{host}:{port}"
store = boto3.client(
    "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="of a test"
)
store.create_bucket(Bucket="calls")
for path in sorted(Path("objects").iterdir()):
    store.put_object(Bucket="calls", Key=path.name, Body=path.read_bytes())
print(address, flush=True)
sys.stdin.read()
server.stop()
