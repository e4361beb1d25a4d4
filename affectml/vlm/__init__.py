"""Vision-language models: people's question as batch requests, and replies, theirs or any system's, as a table."""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.vlm.config import AskConfig
    from affectml.vlm.replies import Received, Replies, Said, read_replies, together
    from affectml.vlm.requests import Asked, ask

__all__ = ["AskConfig", "Asked", "Received", "Replies", "Said", "ask", "read_replies", "together"]
__getattr__ = lazily(__name__)
