"""Logs in to an MCP server with the package mcp, calls tools, and checks each step.

Usage: MCP_TOKEN=... python client.py URL, with a token that lacks the scope of the tool `balance`.
"""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

URL = sys.argv[1]
WEAK_TOKEN = os.environ["MCP_TOKEN"]
CALLBACK = "http://127.0.0.1:9/callback"
counts = {"passed": 0, "failed": 0}


def check(name, holds, seen=None):
    counts["passed" if holds else "failed"] += 1
    print(f"  ok     {name}" if holds else f"  FAILED {name}: {seen!r}", flush=True)


class Log:
    """Every exchange of the client, in the form that the checks read."""

    def __init__(self):
        self.exchanges = []

    async def __call__(self, response):
        is_form = response.request.headers.get("content-type") == "application/x-www-form-urlencoded"
        self.exchanges.append(
            {
                "path": response.request.url.path,
                "status": response.status_code,
                "form": (
                    {name: values[0] for name, values in parse_qs(response.request.content.decode()).items()}
                    if is_form
                    else {}
                ),
                "type": response.headers.get("content-type"),
                "challenge": response.headers.get("www-authenticate", ""),
            }
        )

    def seen(self, path, status):
        return [it for it in self.exchanges if it["path"] == path and it["status"] == status]

    def first(self, path, status):
        return (self.seen(path, status) or [{"challenge": "", "type": None, "form": {}}])[0]


class User:
    """What the client keeps, and its user's browser: the tenant approves without a page."""

    def __init__(self):
        self.tokens = self.client = None
        self.logins = []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    async def open(self, url):
        self.logins.append({name: values[0] for name, values in parse_qs(urlsplit(url).query).items()})
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(url)
        self.callback = {
            name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()
        }

    async def come_back(self):
        return AuthorizationCodeResult(**{name: self.callback.get(name) for name in ("code", "state", "iss")})


@asynccontextmanager
async def connected(mode, log, **options):
    async with httpx2.AsyncClient(event_hooks={"response": [log]}, **options) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
            yield client


def text(result):
    return result.content[0].text


async def whole(mode, version):
    print(f"\n{version}")
    log, user = Log(), User()
    metadata = OAuthClientMetadata(
        client_name="Python client",
        redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
    )
    provider = OAuthClientProvider(URL, metadata, user, user.open, user.come_back)
    async with connected(mode, log, auth=provider) as client:
        refused = log.first("/mcp", 401)
        check("the first request is 401", log.exchanges[0]["status"] == 401, log.exchanges[0])
        check(
            "the 401 names the metadata and the scope",
            "resource_metadata=" in refused["challenge"] and 'scope="mcp:use"' in refused["challenge"],
            refused,
        )
        check("its body is problem details", refused["type"] == "application/problem+json", refused)
        check(
            "the client read the metadata of the server",
            log.seen("/.well-known/oauth-protected-resource/mcp", 200),
            log.exchanges,
        )
        check(
            "the client read the metadata of the tenant",
            log.seen("/.well-known/oauth-authorization-server", 200),
            log.exchanges,
        )
        check(
            "the client registered itself",
            log.seen("/oidc/register", 201) and user.client.client_id,
            user.client,
        )
        login = user.logins[0]
        check(
            "the authorization request has PKCE with S256",
            login.get("code_challenge_method") == "S256",
            login,
        )
        check("it names the server as its resource", login.get("resource") == URL, login)
        scopes = login.get("scope", "").split()
        check("it asks for the scope of the 401", "mcp:use" in scopes and "balance:read" not in scopes, login)
        check(
            "the answer has the state and the issuer",
            user.callback["state"] == login["state"] and "iss" in user.callback,
            user.callback,
        )
        grant = log.first("/oauth/token", 200)["form"]
        check(
            "the code was redeemed with its verifier",
            grant.get("grant_type") == "authorization_code" and "code_verifier" in grant,
            grant,
        )
        check(
            "the client connects with the token", client.protocol_version == version, client.protocol_version
        )
        names = sorted(tool.name for tool in (await client.list_tools()).tools)
        check("it lists two tools", names == ["balance", "whoami"], names)
        who = text(await client.call_tool("whoami"))
        check("a tool knows the user", who == "auth0|ada", who)

        balance = text(await client.call_tool("balance"))
        forbidden = log.first("/mcp", 403)
        check(
            "a tool with another scope is 403",
            'error="insufficient_scope"' in forbidden["challenge"],
            forbidden,
        )
        check(
            "the 403 names all scopes of the call",
            'scope="mcp:use balance:read"' in forbidden["challenge"],
            forbidden,
        )
        check("its body is problem details", forbidden["type"] == "application/problem+json", forbidden)
        check(
            "the client asks for these scopes",
            len(user.logins) == 2 and {"mcp:use", "balance:read"} <= set(user.logins[1]["scope"].split()),
            user.logins,
        )
        check("the call passes, on behalf of the user", balance == "12 euros for auth0|ada", balance)
        check("the client registered only once", len(log.seen("/oidc/register", 201)) == 1, log.exchanges)

        before = user.tokens.access_token
        provider.context.token_expiry_time = 1
        again = text(await client.call_tool("balance"))
        refresh = log.seen("/oauth/token", 200)[-1]["form"]
        check(
            "a token that expired is refreshed",
            refresh.get("grant_type") == "refresh_token" and again == balance,
            refresh,
        )
        check(
            "without another login", len(user.logins) == 2 and user.tokens.access_token != before, user.logins
        )


async def outcome(call):
    try:
        return await call
    except BaseException as error:  # Errors of tasks come in groups.
        return error


async def refusals(mode, version):
    print(f"\n{version}, tokens that must not pass")
    at = len(WEAK_TOKEN) - 20
    forged = WEAK_TOKEN[:at] + ("B" if WEAK_TOKEN[at] == "A" else "A") + WEAK_TOKEN[at + 1 :]

    async def use(token, tool, log):
        async with connected(mode, log, headers={"authorization": f"Bearer {token}"}) as client:
            return text(await client.call_tool(tool))

    log = Log()
    bad = await outcome(use(forged, "whoami", log))
    check(
        "a forged token is 401",
        isinstance(bad, Exception) and 'error="invalid_token"' in log.first("/mcp", 401)["challenge"],
        bad,
    )
    who = await outcome(use(WEAK_TOKEN, "whoami", Log()))
    check("a token passes where its scope is enough", who == "auth0|ada", who)
    for tool, name in [
        ("balance", "and is refused where it is not"),
        ("refund", "a tool without a policy needs all scopes"),
    ]:
        log = Log()
        lacking = await outcome(use(WEAK_TOKEN, tool, log))
        check(
            name,
            isinstance(lacking, Exception)
            and 'scope="mcp:use balance:read"' in log.first("/mcp", 403)["challenge"],
            lacking,
        )


async def main():
    for mode, version in [("legacy", "2025-11-25"), ("auto", "2026-07-28")]:
        await whole(mode, version)
        await refusals(mode, version)


asyncio.run(main())
print(
    f"\ntest result: {'FAILED' if counts['failed'] else 'ok'}. {counts['passed']} passed; {counts['failed']} failed"
)
sys.exit(bool(counts["failed"]))
