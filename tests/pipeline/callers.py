"""Applications with a transaction of their own, by each driver and framework whose connections jobs can join.

A test says what its application does once, as a coroutine over a `Transaction`; where the connection blocks, the
coroutine is run in a plain thread and everything in it blocks.
"""

import asyncio
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import asyncpg
import django
import psycopg
import psycopg2
import sqlalchemy as sa
from django.conf import settings
from django.db import connections
from django.db import transaction as django_transaction
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool


class Transaction:
    """What the application has in its hands."""

    def __init__(self, connection, execute, *, is_async):
        self.connection = connection
        self._execute = execute
        self.is_async = is_async

    async def execute(self, statement):
        done = self._execute(statement)
        if self.is_async:
            await done

    async def call(self, thing, method, *args, **kwargs):
        """The method, or its blocking twin where the connection blocks."""
        if self.is_async:
            return await getattr(thing, method)(*args, **kwargs)
        return getattr(thing, f"{method}_sync")(*args, **kwargs)


class Rollback(Exception):
    """Ends a transaction without a commit."""


async def transact(kind, url, application):
    """Runs `application(transaction)`: commits when it returns, rolls back when it raises."""
    begin = KINDS[kind]
    if begin in ASYNC:
        async with begin(url) as (connection, execute):
            return await application(Transaction(connection, execute, is_async=True))
    return await asyncio.to_thread(transact_plainly, kind, url, application)


def transact_plainly(kind, url, application):
    """`transact` in this thread, for connections that block."""
    with KINDS[kind](url) as (connection, execute):
        return plainly(application(Transaction(connection, execute, is_async=False)))


def plainly(coroutine):
    """What it returns; it waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it wanted to wait")


def is_async(kind):
    return KINDS[kind] in ASYNC


# ----------------------------------------------------------------------------------------------------------- async


@asynccontextmanager
async def with_asyncpg(url):
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            yield connection, connection.execute
    finally:
        await connection.close()


@asynccontextmanager
async def with_asyncpg_pool(url):
    async with (
        asyncpg.create_pool(url, min_size=1, max_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        yield connection, connection.execute


@asynccontextmanager
async def with_psycopg_async(url):
    async with await psycopg.AsyncConnection.connect(url) as connection:
        connection.row_factory = psycopg.rows.dict_row
        yield connection, connection.execute


@asynccontextmanager
async def with_alchemy_async(url, driver="asyncpg", *, in_session=False):
    engine = create_async_engine(speaking(url, driver), poolclass=NullPool)
    try:
        if in_session:
            async with AsyncSession(engine) as session, session.begin():
                yield session, lambda statement: session.execute(sa.text(statement))
        else:
            async with engine.begin() as connection:
                yield connection, lambda statement: connection.execute(sa.text(statement))
    finally:
        await engine.dispose()


def with_alchemy_async_session(url):
    return with_alchemy_async(url, in_session=True)


def with_alchemy_async_psycopg(url):
    return with_alchemy_async(url, "psycopg", in_session=True)


# -------------------------------------------------------------------------------------------------------- blocking


@contextmanager
def with_psycopg(url):
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        yield connection, connection.execute


@contextmanager
def with_psycopg_autocommit(url):
    with psycopg.connect(url, autocommit=True) as connection, connection.transaction():
        yield connection, connection.execute


@contextmanager
def with_psycopg2(url):
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            yield connection, cursor.execute
    finally:
        connection.close()


@contextmanager
def with_alchemy(url, driver="psycopg", session_of=None):
    engine = sa.create_engine(speaking(url, driver), poolclass=NullPool)
    try:
        if session_of is None:
            with engine.begin() as connection:
                yield connection, lambda statement: connection.execute(sa.text(statement))
        else:
            session = session_of(engine)
            with session.begin():
                yield session, lambda statement: session.execute(sa.text(statement))
            session.close()
    finally:
        engine.dispose()


def with_alchemy_session(url):
    return with_alchemy(url, session_of=Session)


def with_alchemy_scoped_session(url):
    return with_alchemy(url, session_of=lambda engine: scoped_session(sessionmaker(engine)))


def with_alchemy_psycopg2(url):
    return with_alchemy(url, "psycopg2", session_of=Session)


@contextmanager
def with_django(url):
    connection = django_connection(url)
    try:
        with django_transaction.atomic(), connection.cursor() as cursor:
            yield connection, cursor.execute
    finally:
        connection.close()


def django_connection(url):
    """`django.db.connection`, leading to this database."""
    at = urlsplit(url)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": at.path[1:],
        "USER": at.username or "",
        "PASSWORD": at.password or "",
        "HOST": at.hostname or "",
        "PORT": at.port or "",
    }
    if not settings.configured:
        settings.configure(DATABASES={"default": database})
        django.setup()
    connections["default"].close()
    connections["default"].settings_dict.update(database)
    return django.db.connection


def speaking(url, driver):
    """The URL as SQLAlchemy writes it."""
    return url.replace("postgresql://", f"postgresql+{driver}://", 1)


KINDS = {
    "asyncpg": with_asyncpg,
    "asyncpg pool": with_asyncpg_pool,
    "psycopg": with_psycopg,
    "psycopg autocommit": with_psycopg_autocommit,
    "psycopg async": with_psycopg_async,
    "psycopg2": with_psycopg2,
    "SQLAlchemy Connection": with_alchemy,
    "SQLAlchemy Session": with_alchemy_session,
    "SQLAlchemy scoped_session": with_alchemy_scoped_session,
    "SQLAlchemy Session on psycopg2": with_alchemy_psycopg2,
    "SQLAlchemy AsyncConnection": with_alchemy_async,
    "SQLAlchemy AsyncSession": with_alchemy_async_session,
    "SQLAlchemy AsyncSession on psycopg": with_alchemy_async_psycopg,
    "Django": with_django,
}
ASYNC = {
    with_asyncpg,
    with_asyncpg_pool,
    with_psycopg_async,
    with_alchemy_async,
    with_alchemy_async_session,
    with_alchemy_async_psycopg,
}
