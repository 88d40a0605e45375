"""auth0-api-python with its keys in memory: `peer.py bearer` or `peer.py dpop`."""

import asyncio
import json
import sys
import time
import warnings

# A dependency of the package turns its own deprecations on again.
warnings.showwarning = lambda *_, **__: None

import httpx
from auth0_api_python import ApiClient, ApiClientOptions

work = json.loads(sys.stdin.readline())
issuer = work["issuer"]
documents = {
    issuer + ".well-known/openid-configuration": {
        "issuer": issuer,
        "jwks_uri": issuer + ".well-known/jwks.json",
    },
    issuer + ".well-known/jwks.json": work["jwks"],
}


async def fetch(url):
    return httpx.Response(200, json=documents[url])


async def verify(client):
    if sys.argv[1] == "dpop":
        for bound in work["bound"]:
            headers = {"authorization": "DPoP " + bound["token"], "dpop": bound["proof"]}
            await client.verify_request(headers, work["method"], work["url"])
    else:
        for token in work["tokens"]:
            await client.verify_request({"authorization": "Bearer " + token})


async def main():
    options = ApiClientOptions(
        domain=work["domain"], audience=work["audience"], custom_fetch=fetch
    )
    client = ApiClient(options)
    for _ in range(3):
        await verify(client)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        await verify(client)
        print((time.perf_counter() - start) / len(work["tokens"]), flush=True)


asyncio.run(main())
