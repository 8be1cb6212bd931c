"""Requests to a server, repeated where that helps; other errors become one sentence."""

from __future__ import annotations

import contextlib
import random
import re
import secrets
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from avlink import AvlinkError, InputError
from avlink_remote.access_token import TOKEN_VARIABLE, read_token
from avlink_remote.plugin import RemoteOptions
from avlink_remote.protocol import CLIENT_HEADER, PROTOCOL, ErrorResponse, ProtocolObject, ServerInfo

if TYPE_CHECKING:
    import httpx

AnyObject = TypeVar("AnyObject", bound=ProtocolObject)

FIRST_CONTACT_S = 5.0
"""A server that does not answer at all is given up after so long: it was probably never started."""

# A machine that is off answers nothing at all, so connecting is given up before a slow request would be.
_CONNECT_S = 5.0
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.2, 10.0
_MAX_RETRY_AFTER_S = 60.0
_RELEASE_TIMEOUT_S = 2.0


class ServerUnreachable(AvlinkError):
    """The server does not answer, or answers only that it cannot serve."""


class RequestRefused(Exception):
    """The server refused a request, in words, and would refuse it again."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class ServerClient:
    """A client of one server.

    `table` is where the recipe has the options, for error messages. Raises InputError without a token, and without the
    packages of the extra `remote`.
    """

    def __init__(self, options: RemoteOptions, *, table: str = "backend.on") -> None:
        self.url = options.url
        self._options, self._table = options, table
        self._httpx = _import_httpx()
        token = read_token(None if options.token_file is None else Path(options.token_file))
        if token is None:
            raise InputError(
                f"the server {self.url} wants its token: set {TOKEN_VARIABLE} to it, or write it into a file that "
                f"{table}.token_file names"
            )
        # `timeout_s` limits each wait for data rather than the whole transfer, so large chunks may take longer.
        timeout = self._httpx.Timeout(options.timeout_s, connect=min(_CONNECT_S, options.timeout_s))
        # A proxy that the environment names cannot reach servers of this machine.
        direct: Any = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
        self._http = self._httpx.Client(
            timeout=timeout,
            headers={"authorization": f"Bearer {token}", CLIENT_HEADER: secrets.token_hex(8)},
            mounts=direct,
        )
        # Generators have no `close`: connections end with the last reference.
        weakref.finalize(self, self._http.close)
        self._gave_up = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def info(self, *, patience_s: float) -> ServerInfo:
        """Return what is served. Raises ServerUnreachable, and InputError for a wrong token or another protocol."""
        try:
            answer = self.call("GET", "/v1/server", patience_s=patience_s)
        except RequestRefused as refused:
            if refused.code == "unknown_path":
                raise self._other_version() from None
            raise self.refusal(refused) from None
        try:
            value = answer.json()
        except ValueError:
            raise self._not_ours(answer) from None
        # Before the object is checked: another version may well have other fields.
        if isinstance(value, Mapping) and value.get("protocol") != PROTOCOL:
            raise self._other_version()
        return self.parse(ServerInfo, answer)

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        patience_s: float | None = None,
    ) -> httpx.Response:
        """Return the response to a request, which is repeated while it gets lost or the server is full or failing.

        After one request has used up its patience, the following ones are made only once each: a server that is gone
        is gone for all clips.

        Raises ServerUnreachable, RequestRefused, and InputError for a wrong token.
        """
        patience_s = (0.0 if self._gave_up else self._options.patience_s) if patience_s is None else patience_s
        began, full_since, pause_s = time.monotonic(), None, _FIRST_PAUSE_S
        while True:
            wait_s = None
            try:
                answer = self._http.request(
                    method, f"{self.url}{path}", json=json, content=content, headers=headers, params=params
                )
            except self._httpx.InvalidURL as error:
                raise InputError(f"{self.url} is no address: {error}") from error
            except self._httpx.HTTPError as error:
                trouble: AvlinkError = self._unreachable(error)
                full_since = None
            else:
                if answer.status_code < 300:
                    self._gave_up = False
                    return answer
                # An error of the server comes as our JSON object; one of a proxy in between does not.
                refused = self._refused(answer)
                # A proxy's 502 goes away once the server is back; a page of it, such as a login, does not.
                if refused is None and answer.status_code < 500 and answer.status_code not in {408, 429}:
                    raise self._not_ours(answer)
                if answer.status_code == 401:
                    raise InputError(
                        f"the server {self.url} does not take the token: it is another one than the server was started "
                        "with"
                    )
                if refused is not None and answer.status_code < 500 and answer.status_code not in {408, 429}:
                    raise refused
                wait_s = _retry_after(answer)
                trouble = self._failing(answer, refused)
                if answer.status_code == 429:
                    # A full server works as it should, so `queue_s` limits the wait instead of `patience_s`.
                    full_since, began = full_since or time.monotonic(), time.monotonic()
                    if time.monotonic() - full_since >= self._options.queue_s:
                        raise trouble
                else:
                    full_since = None
            if time.monotonic() - began >= patience_s and full_since is None:
                # From here on one attempt per request, see above.
                self._gave_up = True
                raise trouble
            pause_s = min(pause_s, _MAX_PAUSE_S)
            # Random, or all clients of a server that comes back would ask at the same moment.
            time.sleep(wait_s if wait_s is not None else pause_s * random.uniform(0.75, 1.25))
            pause_s *= 2

    def release(self, job_id: str) -> None:
        """Tell the server that a job is no longer wanted.

        Failures are ignored: the server also drops a job whose clients are silent.
        """
        with contextlib.suppress(self._httpx.HTTPError):
            # Not `call`: nothing is worth repeated attempts here, least of all after Ctrl-C.
            self._http.delete(f"{self.url}/v1/jobs/{job_id}", timeout=_RELEASE_TIMEOUT_S)

    def parse(self, model: type[AnyObject], answer: httpx.Response) -> AnyObject:
        """Return the object in a response. Raises AvlinkError for a response of another program."""
        try:
            return model.model_validate_json(answer.content)
        except ValidationError:
            raise self._not_ours(answer) from None

    def refusal(self, refused: RequestRefused) -> AvlinkError:
        """Return the error for a refusal that the caller cannot handle."""
        words = f"the server {self.url} refuses: {refused.message}"
        return InputError(words) if refused.status in {413, 422} else AvlinkError(words)

    def _refused(self, answer: httpx.Response) -> RequestRefused | None:
        try:
            error = ErrorResponse.model_validate_json(answer.content).error
        except ValidationError:
            return None
        return RequestRefused(answer.status_code, error.code, error.message)

    def _unreachable(self, error: httpx.HTTPError) -> ServerUnreachable:
        if isinstance(error, self._httpx.TimeoutException):
            reason = "it does not answer in time"
        else:
            # "[Errno 111] Connection refused" without the number, which means nothing to most people.
            reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
        return ServerUnreachable(
            f"the server {self.url} cannot be reached ({reason}); start it with avlink serve, or correct "
            f"{self._table}.url"
        )

    def _failing(self, answer: httpx.Response, refused: RequestRefused | None) -> AvlinkError:
        if answer.status_code == 429:
            return ServerUnreachable(f"the server {self.url} is full, and no place became free; try again later")
        if refused is None:
            return self._not_ours(answer)
        return ServerUnreachable(f"the server {self.url} fails: {refused.message}")

    def _not_ours(self, answer: httpx.Response) -> ServerUnreachable:
        kind = answer.headers.get("content-type", "nothing").partition(";")[0]
        title = re.search(r"<title>([^<]{1,80})</title>", answer.text[:4000]) if "html" in kind else None
        received = f"{answer.status_code}, {kind}" + (f', "{title[1].strip()}"' if title else "")
        return ServerUnreachable(
            f"{self.url} answers with something that is not from avlink serve ({received}); look at "
            f"{self._table}.url, and at the proxy in between if there is one"
        )

    def _other_version(self) -> InputError:
        return InputError(
            f"the server {self.url} speaks another version of the protocol than this AVLink (version {PROTOCOL}); "
            "install the same version on both machines"
        )


def _retry_after(answer: httpx.Response) -> float | None:
    try:
        # RFC 9110 also allows a date, which our server never sends.
        return min(max(float(answer.headers["retry-after"]), 0.1), _MAX_RETRY_AFTER_S)
    except (KeyError, ValueError):
        return None


def _import_httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise InputError(
            f"working on a server needs the packages of the extra 'remote' ({error.name} is not installed); install "
            "them with: pip install 'avlink[remote]'"
        ) from error
    return httpx
