"""Sign-in by OIDC, with an identity provider of our own: who labels is who signed in, and who leads is on the list."""

import re
import sys
import threading
import time
from urllib.parse import urlencode

import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from affectml_apps.relabel.pages import who
from affectml_apps.relabel.web import app_parts

from .conftest import axe

SECRETS = """
[auth]
redirect_uri = "SERVER/oauth2callback"
cookie_secret = "a secret of this test"
client_id = "relabel"
client_secret = "another secret of this test"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


class Provider:
    """Says that everybody who asks is `person`; otherwise it does what OpenID Connect asks for."""

    def __init__(self, port):
        self.url = f"http://localhost:{port}"
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one", "alg": "RS256", "use": "sig"})
        self.person = {"sub": "1", "email": "ann@example.org", "email_verified": True}
        self.nonce = None
        paths = {
            "/.well-known/openid-configuration": lambda _: JSONResponse(self.metadata()),
            "/authorize": self.authorize,
            "/token": lambda _: JSONResponse(self.token()),
            "/jwks": lambda _: JSONResponse({"keys": [self.key.as_dict(private=False)]}),
        }
        app = Starlette(routes=[Route(path, act, methods=["GET", "POST"]) for path, act in paths.items()])
        self.server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join()

    def metadata(self):
        return {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }  # fmt: skip

    def authorize(self, request):
        asked = request.query_params
        self.nonce = asked.get("nonce")
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': 'x', 'state': asked['state']})}")

    def token(self):
        now = int(time.time())
        claims = {**self.person, "iss": self.url, "aud": "relabel", "iat": now, "exp": now + 600, "nonce": self.nonce}
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        return {"access_token": "y", "token_type": "Bearer", "expires_in": 600, "id_token": signed}


@pytest.mark.slow
def test_who_signs_in_labels_under_their_address_and_only_listed_people_lead(start, person, page, free_port):
    with Provider(free_port()) as provider:
        server = start("--lead", "lead@example.org", secrets=SECRETS.format(provider=provider.url))
        page.goto(f"{server.url}/?who=mallory")  # a name in the address is nothing here
        page.get_by_role("button", name="Sign in").wait_for()
        assert axe(page) == []
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="I have read this").click()
        ann = person(server, "ann@example.org").ready()
        ann.answer("2")
        assert [labels for _, _, labels in ann.stored] == [(ann.labels[1],)]
        assert set(server.events()["annotator_id"]) == {"ann@example.org"}
        assert page.get_by_text("Progress", exact=True).count() == 0
        page.goto(f"{server.url}/progress")
        page.get_by_text("Page not found").wait_for()
        page.goto(f"{server.url}/you")
        page.get_by_text("ann@example.org: 1 answer").wait_for()
        page.get_by_role("button", name="Sign out").click()
        provider.person = {"sub": "2", "email": "lead@example.org", "email_verified": True}
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="What people said", exact=True).click()
        page.get_by_role("heading", name="What people said").wait_for()
        page.goto(f"{server.url}/you")
        page.get_by_role("button", name="Sign out").click()
        provider.person = {"sub": "mallory's id", "email": "lead@example.org", "email_verified": False}
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="I have read this").wait_for()
        assert page.get_by_text("Progress", exact=True).count() == 0  # an address that nobody verified is not believed
        page.get_by_role("button", name="I have read this").click()
        page.wait_for_selector(".labeller")
        # the lead has not agreed to take part, and is nobody's annotator
        assert set(server.store.annotators()["annotator_id"]) == {"ann@example.org", "mallory's id"}


def test_sign_in_without_authlib_ends_the_start_with_one_line(tmp_path, demo, monkeypatch):
    monkeypatch.setattr(who.st, "secrets", {"auth": {"client_id": "x"}})
    monkeypatch.setitem(sys.modules, "authlib", None)
    says = "MissingExtra: sign-in ([auth] in .streamlit/secrets.toml) needs Authlib: pip install 'affectml[login]'"
    with pytest.raises(SystemExit, match=re.escape(says)):
        app_parts(["--dataset", str(demo), "--db", str(tmp_path / "x.db")])
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("auth", "ways"),
    [
        ({"client_id": "x"}, [None]),
        ({"redirect_uri": "x", "google": {"client_id": "x"}, "own": {"client_id": "y"}}, ["google", "own"]),
    ],
)
def test_every_provider_that_is_configured_is_offered(monkeypatch, auth, ways):
    monkeypatch.setattr(who.st, "secrets", {"auth": auth})
    assert who.providers() == ways
