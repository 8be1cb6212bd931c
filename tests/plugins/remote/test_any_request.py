"""No request makes `avlink serve` fail: every answer is below 500, and the server reports no error of its own."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

ID = "0" * 40
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=8)
NUMBERS = st.sampled_from([0, 1, 8, -1, 2**31, 2**63, 10**400, 1e300, True, "8"])
RATIOS = st.sampled_from(["2", "8/4", "1/0", "0", "-1/2", "9" * 5000, "1/" + "9" * 400, "1e9", "nan", "²", " 1"])
ANY = st.one_of(st.none(), NUMBERS, ANY_TEXT, st.lists(NUMBERS, max_size=2), st.just({}))


def or_any(value: Any) -> Any:
    """Mostly `value`, a strategy or what is right; sometimes anything."""
    right = value if isinstance(value, st.SearchStrategy) else st.just(value)
    return st.one_of(right, right, right, ANY)


HITS = st.lists(
    st.fixed_dictionaries(
        {"time_s": or_any(RATIOS), "strength": or_any(0.5), "kind": or_any(ANY_TEXT)}, optional={"duration_s": RATIOS}
    ),
    max_size=2,
)
JOBS = st.fixed_dictionaries(
    {
        "direction": or_any(st.sampled_from(["v2a", "a2v"])),
        "fingerprint": or_any("FINGERPRINT"),
        "requests": or_any(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "count": or_any(8),
                        "duration_s": or_any(RATIOS),
                        "prompt": or_any(ANY_TEXT),
                        "seed": or_any(1),
                    },
                    optional={
                        "hits": or_any(HITS),
                        "base_hits": or_any(HITS),
                        "known_s": or_any(st.lists(RATIOS, max_size=3)),
                    },
                ),
                min_size=1,
                max_size=2,
            )
        ),
        "upload_bytes": or_any(st.sampled_from([0, 1536, 3072])),
        "upload_digest": or_any("1" * 40),
    },
    optional={"more": ANY},
)
BODIES = st.one_of(
    JOBS.map(lambda job: json.dumps(job).encode()),
    st.sampled_from([b"[" * 5_000, b'{"a":' * 2_000, b"\xff\xfe", b"9" * 5000, b"null", b""]),
    st.binary(max_size=40),
)
QUERIES = st.sampled_from(
    ["", "?offset=0", f"?offset={10**30}", "?offset=-1", "?version=0&wait_s=0", f"?version={10**400}", "?wait_s=nan"]
)
PATHS = st.one_of(
    st.sampled_from(
        [
            *("/health", "/docs", "/openapi.json", "/v1/server", "/v1/server/", "//", f"/v1/jobs/{ID}"),
            *(f"/v1/jobs/{ID}/upload", f"/v1/jobs/{ID}/result"),
        ]
    ),
    st.lists(ANY_TEXT, max_size=4).map(
        lambda parts: "/" + "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts)
    ),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from(["[", "evil?", "a#b", "é"]),
        "range": st.sampled_from(["bytes=0-", "bytes=5-1", "x"]),
        "content-encoding": st.sampled_from(["gzip", "identity", "br"]),
        "avlink-client": st.sampled_from(["", "x" * 65, "é"]),
        "content-type": st.sampled_from(["application/json", "text/plain", "application/json; charset=utf-16"]),
    },
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "PUT", "PUT", "DELETE", "POST", "HEAD", "OPTIONS"]),
    path=PATHS,
    query=QUERIES,
    body=BODIES,
    headers=HEADERS,
)
@example(method="GET", path="/health/", query="", body=b"", headers={"host": "["})
@example(method="GET", path="/v1/server/", query="", body=b"", headers={"host": "evil?"})
@example(method="PUT", path=f"/v1/jobs/{ID}", query="", body=b"[" * 5_000, headers={})
def test_every_request_gets_an_answer_that_is_no_failure(
    server: Any, method: str, path: str, query: str, body: bytes, headers: dict[str, str]
) -> None:
    sent = {"content-type": "application/json", **headers}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    with server.client() as client:
        body = body.replace(b"FINGERPRINT", _fingerprint(client).encode())
        answer = client.request(method, server.url + path + query, content=body, headers=encoded)
        assert answer.status_code < 500, (answer.status_code, answer.text)
        if named := re.search("the name of this job is ([0-9a-f]{40})", answer.text):
            # A body that is valid in itself gets its own name, and so further in.
            answer = client.request(method, f"/v1/jobs/{named[1]}", content=body, headers=encoded)
            assert answer.status_code < 500, (answer.status_code, answer.text)
            client.delete(f"/v1/jobs/{named[1]}")
    assert server.of("error") == []


_known: dict[str, str] = {}


def _fingerprint(client: Any) -> str:
    url = str(client.base_url)
    if url not in _known:
        _known[url] = client.get("/v1/server").json()["v2a"]["fingerprint"]
    return _known[url]
