"""What the lead chose for the page. It lives in the task's database, so that every server shows the same page."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from affectml_annotation import LabelStore, StoreError
from affectml_annotation.languages import ENGLISH, as_code, marked
from affectml_annotation.store.schema import setting
from affectml_annotation.store.settings import check_names, read_setting, write_setting
from affectml_annotation.store.setup import PREFERENCES as KEY

SECRET = "relabel-secret"
WARNING = marked(
    "Some of these images may show violence, injury, nudity or suffering. You may skip any image without giving a "
    "reason, stop at any time, and withdraw later: then none of your answers is used."
)


@dataclass(frozen=True)
class Preferences:
    """How the labelling page looks and what it asks for, beside the labels themselves."""

    # Those that people choose from, the task's own first; a running task changes nothing of what they see by itself.
    languages: Sequence[str] = (ENGLISH,)
    # language -> question, instructions, content_warning in it, for any but the task's own.
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # Shown with the key `?`, and before the first image.
    instructions: str = ""
    # label -> what is meant by it.
    definitions: Mapping[str, str] = field(default_factory=dict)
    # Shown, and agreed to, before the first image.
    content_warning: str = WARNING
    # Images stay blurred until the person asks to see each one: for sets known to be hard to look at.
    blur: bool = False
    # Answers are taken only after an image was in sight this long.
    min_view_seconds: float = 0.0
    # Suggest a break after this many minutes of work; 0 never.
    break_minutes: float = 45.0
    # The same key again says how strongly (1 to 3).
    intensity: bool = False
    # A pad for how pleasant and how exciting the feeling is.
    valence_arousal: bool = False
    # Colours of pleasant and unpleasant labels prime people, so they are off.
    valence_colours: bool = False
    # Show the data set's own single label.
    show_original: bool = False
    # Record the answer first, then show the model's suggestion (or, in the control arm, none) and ask again.
    blind_first: bool = False
    # Only people the lead invited may label; otherwise a name is enough.
    invited_only: bool = False
    # People who answered and whose entry the lead has closed since: their answers stay and count, no more are taken.
    closed: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("min_view_seconds", "break_minutes"):
            if not 0 <= float(getattr(self, name)) < 86_400:
                raise StoreError(f"{name}: expected 0 to 86400, but received {getattr(self, name)}")
        if not self.languages or [*map(as_code, self.languages)] != [*dict.fromkeys(self.languages)]:
            raise StoreError(
                f"languages: expected codes such as en or pt-BR, one at least and each once, but received "
                f"{list(self.languages)}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preferences":
        """Read what `asdict` gave; an unknown name is an error that names the nearest one."""
        check_names(values, cls, "preference")
        return cls(**values)


def read_preferences(store: LabelStore) -> Preferences:
    """The task's preferences; the defaults where nobody chose any."""
    value = store.database.reading(read_setting, KEY)
    return Preferences() if value is None else Preferences.from_dict(value)


def change_preferences(store: LabelStore, **changes: Any) -> Preferences:
    """Change some preferences and return all of them."""
    fresh = replace(read_preferences(store), **changes)
    store.database.writing(write_setting, KEY, asdict(fresh))
    return fresh


def read_secret(store: LabelStore) -> str:
    """The key that signs this task's tokens, made when first asked for.

    It lives in the database, so that a browser's token outlives a restart and holds on every server of the task.
    """
    with store.database.write() as connection:
        value = read_setting(connection, SECRET)
        if value is None:
            value = secrets.token_hex(32)
            connection.execute(setting.insert().values(key=SECRET, value=value))  # of two servers one makes it
    return str(value)
