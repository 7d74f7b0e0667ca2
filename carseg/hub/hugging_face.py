"""The Hugging Face Hub through its own library: files down, folders up, and the commit that a repository stands for.

``HF_ENDPOINT`` is the address of another hub that speaks its protocol. The token of ``hf auth login`` or ``HF_TOKEN``
is used where there is one, and is in no message.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from carseg._env import hugging_face_endpoint, is_offline
from carseg._files import replacing
from carseg.errors import HubError, OfflineError, OptionError
from carseg.hub.cache import cache_dir
from carseg.hub.origins import MissingFileError, UnavailableError, parse_repository

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_COMMIT = re.compile("[0-9a-f]{40}")
_ANSWER = 30.0  # seconds until a question about a repository is answered
_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
_log = logging.getLogger("carseg")


def pinned(name: str) -> str:
    """Return ``hf://ORG/REPO@COMMIT`` for ``hf://ORG/REPO[@REVISION]``: its commit when this machine first asked.

    Raises:
        OptionError: the name is written in another way.
        OfflineError: it was never asked for, and sockets are forbidden.
        HubError: the hub does not give the commit.
    """
    repository, revision = parse_repository(name)
    commit = _known_commit(repository, revision)
    if commit is None:
        if is_offline():
            raise OfflineError(
                f"the commit of {name} is not known on this machine, and CARSEG_OFFLINE or HF_HUB_OFFLINE forbids "
                f"looking it up: use it once without that variable, or name the commit, hf://{repository}@COMMIT"
            )
        commit = _ask_commit(name, repository, revision)
        keep_commit(repository, revision, commit)
        _log.info("%s is commit %s on this machine from now on", name, commit)
    return f"hf://{repository}@{commit}"


def pinned_if_known(name: str) -> str:
    """Return what ``pinned`` does, but the name as it is where this machine has not asked for the commit yet."""
    repository, revision = parse_repository(name)
    commit = _known_commit(repository, revision)
    return name if commit is None else f"hf://{repository}@{commit}"


def _known_commit(repository: str, revision: str | None) -> str | None:
    """Return the commit that a revision is, or stands for on this machine, None where that is not known."""
    if revision and _COMMIT.fullmatch(revision):
        return revision
    with suppress(OSError):
        commit = _kept(repository, revision).read_text("ascii", "replace")
        return commit if _COMMIT.fullmatch(commit) else None
    return None


def keep_commit(repository: str, revision: str | None, commit: str) -> None:
    """Let a repository stand for a commit on this machine; a cache that cannot be written costs another question."""
    path = _kept(repository, revision)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(commit, "ascii")


def _kept(repository: str, revision: str | None) -> Path:
    key = f"{hugging_face_endpoint()} {repository} {revision or 'main'}"
    return cache_dir() / "commits" / hashlib.sha256(key.encode()).hexdigest()


def _ask_commit(name: str, repository: str, revision: str | None) -> str:
    try:
        commit = _api().model_info(repository, revision=revision, timeout=_ANSWER).sha
    except Exception as error:  # also those of its HTTP library, which differs between its versions
        raise HubError(
            f"{name} does not give its commit: {reason(error)}; check the name, and for a private repository the "
            "token (hf auth login, HF_TOKEN)"
        ) from None
    if not commit or not _COMMIT.fullmatch(commit):
        raise HubError(f"{name} does not give its commit: the answer has none; name one, hf://ORG/REPO@COMMIT")
    return commit


def download(address: str, file: str, part: Path, *, quiet: bool) -> None:
    """Write a file of a repository, ``hf://ORG/REPO@COMMIT``, to ``part``.

    Raises:
        UnavailableError: the hub does not give it.
        OSError: ``part`` cannot be written.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    repository, commit = parse_repository(address)
    silence = quiet and not are_progress_bars_disabled()
    if silence:
        disable_progress_bars()
    folder, endpoint = part.with_suffix(".hf"), hugging_face_endpoint()
    try:
        path = hf_hub_download(repository, file, revision=commit, local_dir=folder, endpoint=endpoint)
    except Exception as error:  # also those of its HTTP library, which differs between its versions
        if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
            raise
        missing = isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)
        raise (MissingFileError if missing else UnavailableError)(reason(error)) from None
    finally:
        if silence:
            enable_progress_bars()
    Path(path).replace(part)
    shutil.rmtree(folder)


def upload(folder: Path, repository: str, *, message: str, private: bool = False) -> str:
    """Upload a folder's files to a repository, made if need be, and return the commit; other files in it stay.

    Args:
        folder: the folder.
        repository: ORG/REPO.
        message: that of the commit.
        private: only those who may read the repository see it. One that is there is left as it is.

    Raises:
        OptionError: the repository is to be private and is there, for everybody.
        HubError: the upload failed.
    """
    if is_offline():
        raise OfflineError(f"cannot publish to hf://{repository}: CARSEG_OFFLINE or HF_HUB_OFFLINE forbids it")
    api = _api()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # huggingface_hub's, about its HTTP library
            if private:
                _make_private(api, repository)
            else:
                api.create_repo(repository, exist_ok=True)
            return api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message).oid
    except OptionError:
        raise
    except Exception as error:  # also those of its HTTP library, which differs between its versions
        raise HubError(
            f"cannot publish to hf://{repository}: {reason(error)}; check that your token may write (hf auth login)"
        ) from None


def _make_private(api: HfApi, repository: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_repo(repository, private=True)
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code != 409:
            raise
        if api.model_info(repository, timeout=_ANSWER).private is False:
            raise OptionError(
                f"hf://{repository} already exists and is public: make it private in its settings, choose another "
                "name, or leave private out"
            ) from None


def _api() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=hugging_face_endpoint(), library_name="carseg")


def reason(error: BaseException) -> str:
    """Return the first line of what caused an error of huggingface_hub, without the token that it may show."""
    from huggingface_hub import get_token

    cause = error.__cause__ or error
    text = re.sub(r"Bearer [^'\"]*", "Bearer ***", f"{type(cause).__name__} {cause}".splitlines()[0])
    token = None
    with suppress(Exception):  # it may ask another server for the token
        token = get_token()
    return text.replace(token, "***") if token else text
