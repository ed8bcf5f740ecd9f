"""Runs sequences of changes with SQLAlchemy and prints the final tables, as the shell's own run is compared with them."""

import json
import sys

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(unique=True)
    posts: Mapped[list["Post"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    author: Mapped[User] = relationship(back_populates="posts")


def user(session, name):
    return session.scalars(sa.select(User).where(User.username == name)).one()


def post(session, body):
    return session.scalars(sa.select(Post).where(Post.body == body)).one()


def run(steps):
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for verb, *rest in steps:
            if verb == "add_user":
                session.add(User(username=rest[0], email=rest[1]))
            elif verb == "add_post":
                author = user(session, rest[1])
                session.add(Post(body=rest[0], author=author))
            elif verb == "set_email":
                user(session, rest[0]).email = rest[1]
            elif verb == "set_name":
                user(session, rest[0]).username = rest[1]
            elif verb == "set_body":
                post(session, rest[0]).body = rest[1]
            elif verb == "delete_post":
                session.delete(post(session, rest[0]))
            elif verb == "delete_user":
                session.delete(user(session, rest[0]))
            elif verb == "commit":
                session.commit()
            elif verb == "rollback":
                session.rollback()
        session.rollback()
        users = [[u.id, u.username, u.email] for u in session.scalars(sa.select(User).order_by(User.id))]
        posts = [[p.id, p.body, p.user_id] for p in session.scalars(sa.select(Post).order_by(Post.id))]
        return [users, posts]


print(json.dumps([run(steps) for steps in json.load(sys.stdin)]))
