"""The state folder: precedence of the owner's values, shapes, modes, and that one server at a time serves it."""

from __future__ import annotations

import multiprocessing
import stat
import string
from pathlib import Path

import pytest

from hideaway.base.errors import InvalidArguments, Unavailable
from hideaway.base.ids import Ids, is_uuid
from hideaway.cloud.founding import Credentials
from hideaway.server.state import ACCESS_KEY, Choice, Folder, Server, default_folder, owner_for

A, B, C, D = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "abcd")
KEPT = Credentials(access_key="SCW" + "K" * 17, secret_key=A, organization_id=B, project_id=C, user_id=D)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_start_makes_values_that_the_vendors_clients_accept() -> None:
    owner = owner_for(Choice(), {}, None, Ids(7))
    assert ACCESS_KEY.fullmatch(owner.access_key)
    assert all(is_uuid(value) for value in (owner.secret_key, owner.organization_id, owner.user_id))
    assert owner.project_id == owner.organization_id
    assert owner == owner_for(Choice(), {}, None, Ids(7)), "the identifiers come from the argument alone"


def test_flags_go_before_variables_before_what_is_kept() -> None:
    other = "12345678-1234-4234-8234-123456789012"
    from_flag = owner_for(Choice(project_id=other), {"SCW_DEFAULT_PROJECT_ID": D}, KEPT, Ids(1))
    from_variable = owner_for(Choice(), {"SCW_DEFAULT_PROJECT_ID": D, "SCW_SECRET_KEY": other}, KEPT, Ids(1))
    assert (from_flag.project_id, from_flag.secret_key) == (other, KEPT.secret_key)
    assert (from_variable.project_id, from_variable.secret_key) == (D, other)
    assert owner_for(Choice(), {"SCW_ACCESS_KEY": ""}, KEPT, Ids(1)) == KEPT


def test_nothing_is_kept_into_another_organization() -> None:
    owner = owner_for(Choice(organization_id=D), {}, KEPT, Ids(1))
    kept_values = {KEPT.access_key, KEPT.secret_key, KEPT.project_id, KEPT.user_id}
    assert (owner.organization_id, owner.project_id) == (D, D)
    assert not kept_values & {owner.access_key, owner.secret_key, owner.user_id}


def test_another_access_key_gets_a_secret_of_its_own() -> None:
    owner = owner_for(Choice(access_key="SCW" + "N" * 17), {}, KEPT, Ids(1))
    assert owner.secret_key != KEPT.secret_key
    assert owner.user_id == KEPT.user_id


def test_every_wrong_value_is_named_with_its_source_and_no_secret_is_shown() -> None:
    environment = {"SCW_SECRET_KEY": "hunter2", "SCW_DEFAULT_ORGANIZATION_ID": "acme"}
    with pytest.raises(InvalidArguments) as caught:
        owner_for(Choice(access_key="SCWshort"), environment, None, Ids(1))
    assert {fault.argument_name for fault in caught.value.faults} == {
        "--access-key",
        "SCW_SECRET_KEY",
        "SCW_DEFAULT_ORGANIZATION_ID",
    }
    assert "acme" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_kept_is_read_back_and_private(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "deep" / "state")
    assert folder.owner() is None
    assert not folder.path.exists(), "reading makes nothing"
    server = Server(url="http://127.0.0.1:7373", pid=1, data_plane="none", version="0")
    folder.keep_owner(KEPT)
    folder.keep_server(server)
    assert (folder.owner(), folder.server()) == (KEPT, server)
    assert [mode(folder.path), mode(folder.path / "credentials.json"), mode(folder.path / "server.json")] == [
        0o700,
        0o600,
        0o600,
    ]
    assert sorted(path.name for path in folder.path.iterdir()) == ["credentials.json", "server.json"]
    folder.forget_server()
    folder.forget_server()
    assert folder.server() is None


def test_a_folder_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Folder(tmp_path).make()
    assert mode(tmp_path) == 0o700


@pytest.mark.parametrize("text", ["", "{", "[]", '{"access_key": "SCW"}'])
def test_a_file_that_says_nothing_is_named_and_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "credentials.json").write_text(text)
    with pytest.raises(Unavailable, match=r"credentials\.json cannot be read"):
        Folder(tmp_path).owner()
    assert (tmp_path / "credentials.json").read_text() == text


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be made"):
        Folder(tmp_path / "file").make()


def _hold(path: str, ready: object, leave: object) -> None:
    with Folder(Path(path)).held():
        ready.set()  # type: ignore[attr-defined]
        leave.wait(20)  # type: ignore[attr-defined]


def test_one_server_at_a_time(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, leave = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(str(tmp_path), ready, leave))
    other.start()
    try:
        assert ready.wait(20)
        Folder(tmp_path).keep_server(Server(url="http://127.0.0.1:1", pid=4242, data_plane="none", version="0"))
        with pytest.raises(Unavailable, match="process 4242"), Folder(tmp_path).held(patience=0.1):
            pass
        other.kill()  # not even a chance to let go
        with Folder(tmp_path).held(patience=10):
            pass
    finally:
        other.kill()
        other.join(20)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HIDEAWAY_STATE": "/a/b", "XDG_STATE_HOME": "/x"}, "/a/b"),
        ({"XDG_STATE_HOME": "/x"}, "/x/hideaway"),
        ({"XDG_STATE_HOME": "relative"}, "~/.local/state/hideaway"),
        ({}, "~/.local/state/hideaway"),
    ],
)
def test_the_default_folder(environment: dict[str, str], expected: str) -> None:
    assert default_folder(environment) == Path(expected).expanduser()


def test_keys_that_are_made_hold_capitals_and_digits_only() -> None:
    for seed in range(50):
        assert set(owner_for(Choice(), {}, None, Ids(seed)).access_key) <= set(string.ascii_uppercase + string.digits)
