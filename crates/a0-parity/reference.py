"""Puts cases through the reference: prints what it offers, then one outcome for each line of input.

A case brings its own clock and the answers of its servers. Only `network.py` uses the network, on this
machine. A case may have calls `before` its own, given by what is different about them. Their outcomes
do not count.
"""

import asyncio
import contextlib
import json
import ssl
import sys
import time
import types
import warnings

# A dependency of the reference turns its own deprecations on again.
warnings.showwarning = lambda *_, **__: None

import auth0_api_python.cache
import httpx
import network
import surface
from auth0_api_python import ApiClient, ApiClientOptions, utils
from auth0_api_python import get_current_actor, get_delegation_chain
from auth0_api_python.errors import BaseAuthError

PLAIN_OPTIONS = """
    domain audience client_id client_secret timeout cache_ttl_seconds cache_max_entries
    dpop_enabled dpop_required dpop_iat_leeway dpop_iat_offset
""".split()
RealClient = httpx.AsyncClient


class Store(auth0_api_python.cache.InMemoryCache):
    """The shared store of a case: its documents before the first call, and whether it works."""

    def __init__(self, case):
        super().__init__()
        self.fails = None
        store = case["store"]
        keys_at = store.get("keys_at", "https://tenant.example/.well-known/jwks.json")
        for name, key in (("metadata", "https://tenant.example/"), ("keys", keys_at)):
            if name in store:
                self.set(key, store[name])
        self.fails = store.get("fails")

    def get(self, key):
        if self.fails == "read":
            raise ConnectionError("out of order")
        return super().get(key)

    def set(self, key, value, ttl_seconds=None):
        if self.fails == "write":
            raise ConnectionError("out of order")
        super().set(key, value, ttl_seconds)


def answer_of(case, url):
    answer = case["documents"].get(url)
    if answer is None:
        raise httpx.ConnectError("nobody listens")
    headers = {"content-type": answer["type"]}
    if "cache" in answer:
        headers["cache-control"] = answer["cache"]
    return httpx.Response(answer["status"], headers=headers, content=answer["body"].encode())


def client_of(case, given, **options):
    def resolver(context):
        # The package takes fields as a dictionary, which has one value of a repeated field.
        fields = context["request_headers"].items()
        given.update({f"field {name}": [value] for name, value in fields})
        given.update(iss=context["unverified_iss"], url=context["request_url"])
        return case["resolver"]

    domains = resolver if "resolver" in case else case.get("domains")
    if "store" in case:
        options["cache_adapter"] = Store(case)
    options |= {
        "dpop_enabled": case["mode"] != "disabled",
        "dpop_required": case["mode"] == "required",
    }
    options |= {name: case[name] for name in PLAIN_OPTIONS if name in case}
    return ApiClient(ApiClientOptions(domains=domains, **options))


def cached(case):
    """What a cache returns at each `get` of the case, and for each key at the end."""
    cache, seen = auth0_api_python.cache.InMemoryCache(case["max_entries"]), {}
    steps = [*case["steps"], *(["get", key] for key in CACHE_KEYS)]
    for at, (action, *arguments) in enumerate(steps):
        if action == "wait":
            case["now"] += arguments[0]
            continue
        value = getattr(cache, action)(*arguments)
        if action == "get":
            seen[f"{at} {arguments[0]}"] = value
    return seen


def max_age(case):
    return utils.parse_cache_control_max_age({"cache-control": case["text"]})


CACHE_KEYS = ("a", "b", "c", "d")
# Their errors have no kind of their own.
WITHOUT_KINDS = {
    "normalize_domain": lambda case: utils.normalize_domain(case["text"]),
    "calculate_jwk_thumbprint": lambda case: utils.calculate_jwk_thumbprint(case["key"]),
    "get_unverified_header": lambda case: utils.get_unverified_header(case["token"]),
    "get_unverified_payload": lambda case: utils.get_unverified_payload(case["token"]),
}
HELPERS = WITHOUT_KINDS | {
    "parse_cache_control_max_age": max_age,
    "InMemoryCache": cached,
    "get_current_actor": lambda case: get_current_actor(case["claims"]),
    "get_delegation_chain": lambda case: get_delegation_chain(case["claims"]),
}


async def call(client, case):
    name, arguments = case["call"], case.get("arguments", {})
    method, url = case.get("method"), case.get("url")
    if name == "verify_request":
        return await client.verify_request(dict(case["headers"]), method, url)
    if name == "verify_access_token":
        return await client.verify_access_token(
            case["token"],
            request_url=url,
            request_headers=dict(case["headers"]),
            required_claims=case.get("required_claims"),
        )
    if name == "verify_dpop_proof":
        return await client.verify_dpop_proof(case["token"], case["proof"], method, url)
    if name == "get_access_token_for_connection":
        return await client.get_access_token_for_connection(arguments)
    return await getattr(client, name)(**arguments)


async def seen_of(case):
    """What the servers see of a call through the default transport."""

    async def call_at(domain):
        client = client_of({**case, "domain": domain}, {})
        # No server answers, and the error is not compared.
        with contextlib.suppress(Exception):
            await call(client, case)

    if case["network"] == "proxy variables":
        httpx.AsyncClient = RealClient
        return {"metadata": await network.route(call_at)}

    silence = network.Silence(case, lambda url: answer_of(case, url))
    httpx.AsyncClient = lambda **options: RealClient(transport=silence.transport, **options)
    await call_at(case["domain"])
    return {case["network"]: silence.patience}


async def outcome_of(whole):
    # The last step counts. All functions below read `case`, which changes from call to call.
    steps = [{**whole, **step} for step in (*whole.get("before", []), {})]
    case, sent, given = dict(steps[0]), [], {}
    time.time = lambda: case["now"]
    auth0_api_python.cache.time = types.SimpleNamespace(monotonic=lambda: case["now"])
    if "network" in case:
        return {"network": await seen_of(case)}

    async def fetch(url):
        return answer_of(case, url)

    def endpoint(request):
        form = request.content.decode()
        sent.append({"form": form, "authorization": request.headers.get("authorization")})
        return answer_of(case, str(request.url))

    def client(**options):
        if "endpoint" in case:
            roots = ssl.create_default_context(cadata=case["endpoint"]["roots"])
            return RealClient(verify=roots, trust_env=False, **options)
        return RealClient(transport=httpx.MockTransport(endpoint), **options)

    httpx.AsyncClient = client
    try:
        if case["call"] in HELPERS:
            outcome = {"value": HELPERS[case["call"]](case)}
        else:
            api = client_of(case, given, custom_fetch=fetch)
            for step in steps[:-1]:
                case.update(step)
                # Only the last call is compared.
                with contextlib.suppress(Exception):
                    await call(api, case)
            case.update(steps[-1])
            sent.clear()
            given.clear()
            outcome = {"value": await call(api, case)}
    except BaseAuthError as error:
        kind = type(error).__name__.removesuffix("Error") or "Api"
        outcome = {
            "kind": kind,
            "text": error.get_error_description(),
            "status": error.get_status_code(),
            "code": error.get_error_code(),
            "challenge": error.get_headers().get("WWW-Authenticate"),
        }
    except Exception as error:  # noqa: BLE001 - the name of the error is compared
        if isinstance(error, ValueError) and case["call"] in WITHOUT_KINDS:
            outcome = {"kind": "BaseAuth", "text": str(error)}
        else:
            outcome = {"failed": type(error).__name__}
    outcome["sent"], outcome["given"] = sent, given or None
    return outcome


def encoded(outcome):
    try:
        return json.dumps(outcome, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps({**outcome, "value": "not JSON"})


print(json.dumps(surface.offered()))
for line in sys.stdin:
    print(encoded(asyncio.run(outcome_of(json.loads(line)))), flush=False)
