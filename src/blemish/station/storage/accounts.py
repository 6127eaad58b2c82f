"""Users of a station: passwords, sessions, one-time links, and tokens of machines; all are kept as hashes."""

import hashlib
import re
from asyncio import Lock
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import ColumnElement, Connection, delete, select, update

from blemish.station.errors import Conflict, NotFound, Unusable
from blemish.station.records import COMMAND_LINE, Author, Kind, Role, User
from blemish.station.storage.audit import note
from blemish.station.storage.database import Database
from blemish.station.storage.tables import sessions, users

SESSION = timedelta(hours=12)
LINK = timedelta(hours=48)
MIN_PASSWORD = 12  # characters
NAME = re.compile(r"[\w.@-]{1,64}")

_columns = users.c


class Accounts:
    """The users in a database; each method raises `errors.Unavailable` while that cannot be used.

    `checking` is to be held while a login is checked, and longer where it fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hasher = PasswordHasher()
        self._nobodys = self._hasher.hash(token_urlsafe())  # takes as long to check as a user's
        self.checking = Lock()

    def all(self) -> list[User]:
        with self._database.transaction() as connection:
            return _select(connection)

    def first_link(self) -> str:
        """A secret that sets an admin's password, where no admin has one yet, else ""."""
        admins = [user for user in self.all() if user.role == Role.ADMIN and not user.disabled]
        if any(user.secret for user in admins):
            return ""
        if admins:
            return self.renew(admins[0].id, COMMAND_LINE)
        return self.add("admin", Role.ADMIN, COMMAND_LINE)

    def add(self, name: str, role: Role, by: Author) -> str:
        """Add a user; gives the secret of `renew`. Unusable or Conflict where the name cannot be had."""
        if not NAME.fullmatch(name):
            raise Unusable("A name has up to 64 letters, digits and . _ - @, and no spaces; give another.")
        with self._database.transaction(writing=True) as connection:
            if _select(connection, _columns.name == name):
                raise Conflict(f"There is a user {name} already; give another name.")
            connection.execute(users.insert().values(name=name, role=role, disabled=False))
            note(connection, by, Kind.USER, "", role, subject=name)
            return _new_secret(connection, name, role)

    def renew(self, number: int, by: Author) -> str:
        """End a user's sessions, and make a token, or what sets a password within 48 hours; else NotFound."""
        with self._database.transaction(writing=True) as connection:
            user = _without_sessions(connection, number)
            note(connection, by, Kind.USER, str(user), f"{user}, new secret", subject=user.name)
            return _new_secret(connection, user.name, user.role)

    def change(self, number: int, role: Role, disabled: bool, by: Author) -> None:
        """Change a user, whose sessions end; NotFound where there is none.

        Conflict: no admin would be left, or a machine would become a person or a person a machine.
        """
        changes = {"role": role, "disabled": disabled}
        with self._database.transaction(writing=True) as connection:
            user = _without_sessions(connection, number)
            if Role.MACHINE in (user.role, role) and user.role != role:
                raise Conflict("A machine has a token and a person a password; add another user instead.")
            connection.execute(update(users).where(_columns.id == number).values(changes))
            admins = (_columns.role == Role.ADMIN, ~_columns.disabled, _columns.secret != "")
            if not _select(connection, *admins):
                raise Conflict(f"{user.name} is the last admin; make another user an admin first.")
            changed = str(user.model_copy(update=changes))
            note(connection, by, Kind.USER, str(user), changed, subject=user.name)

    def invited(self, link: str) -> User:
        """Whose password a link sets, or NotFound."""
        with self._database.transaction() as connection:
            return _invited(connection, link)

    def set_password(self, link: str, password: str) -> None:
        """Use a link up; Unusable where the password is too short."""
        if len(password) < MIN_PASSWORD:
            raise Unusable(f"The password has fewer than {MIN_PASSWORD} characters; take a longer one.")
        values = {"secret": self._hasher.hash(password), "link": None}
        with self._database.transaction(writing=True) as connection:
            user = _invited(connection, link)
            connection.execute(update(users).where(_columns.id == user.id).values(values))
            connection.execute(delete(sessions).where(sessions.c.user_id == user.id))
            changed = f"{user}, password set"
            note(connection, Author(user.name), Kind.USER, str(user), changed, subject=user.name)

    def log_in(self, name: str, password: str) -> str:
        """The secret of a session of twelve hours, or "" where name or password are wrong."""
        with self._database.transaction() as connection:
            person = (_columns.name == name, _columns.role != Role.MACHINE, ~_columns.disabled)
            user = next(iter(_select(connection, *person)), User(name="unknown name", role=Role.MACHINE))
        try:
            right = self._hasher.verify(user.secret or self._nobodys, password) and user.secret is not None
        except VerifyMismatchError:
            right = False
        session, now = token_urlsafe(), datetime.now(UTC)
        with self._database.transaction(writing=True) as connection:
            note(connection, Author(user.name), Kind.LOGIN, "", "logged in" if right else "failed")
            if not right:
                return ""
            connection.execute(delete(sessions).where(sessions.c.until < now))
            values = {"digest": _digest(session), "user_id": user.id, "until": now + SESSION}
            connection.execute(sessions.insert().values(values))
        return session

    def log_out(self, session: str, name: str) -> None:
        with self._database.transaction(writing=True) as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == _digest(session)))
            note(connection, Author(name), Kind.LOGIN, "", "logged out")

    def of_session(self, session: str) -> User | None:
        lasts = (sessions.c.digest == _digest(session), sessions.c.until > datetime.now(UTC))
        return self._usable(_columns.id.in_(select(sessions.c.user_id).where(*lasts)))

    def of_token(self, token: str) -> User | None:
        return self._usable(_columns.role == Role.MACHINE, _columns.secret == _digest(token))

    def _usable(self, *conditions: ColumnElement[bool]) -> User | None:
        with self._database.transaction() as connection:
            return next(iter(_select(connection, *conditions, ~_columns.disabled)), None)


def _select(connection: Connection, *conditions: ColumnElement[bool]) -> list[User]:
    asked = select(users).where(*conditions).order_by(_columns.name)
    return [User.model_validate(row._asdict()) for row in connection.execute(asked)]


def _without_sessions(connection: Connection, number: int) -> User:
    connection.execute(select(users).with_for_update())  # nobody changes another admin meanwhile
    connection.execute(delete(sessions).where(sessions.c.user_id == number))
    if not (found := _select(connection, _columns.id == number)):
        raise NotFound(f"There is no user {number}.")
    return found[0]


def _invited(connection: Connection, link: str) -> User:
    conditions = (_columns.link == _digest(link), _columns.link_until > datetime.now(UTC), ~_columns.disabled)
    if not (found := _select(connection, *conditions)):
        raise NotFound("This link was used already, or is older than 48 hours; ask an admin for another.")
    return found[0]


def _new_secret(connection: Connection, name: str, role: Role) -> str:
    secret = token_urlsafe()
    link = {"link": _digest(secret), "link_until": datetime.now(UTC) + LINK}
    values = {"secret": _digest(secret)} if role == Role.MACHINE else link
    connection.execute(update(users).where(_columns.name == name).values(values))
    return secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
