"""The encoder: images and texts in, L2-normalised float32 rows out."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from affectml.encoders._identity import EncoderIdentity
from affectml.encoders._spec import TINY_SPEC, Source, find
from affectml.errors import BadInput, EncoderUnavailable

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

_TEXTS = 256  # texts encoded at a time, so that a data set's captions fit into memory
# open_clip's names; pure_bf16 is the fast one on CPUs with bf16 instructions.
PRECISIONS = ("fp32", "bf16", "fp16", "pure_bf16", "pure_fp16")


class Encoder:
    """A frozen open_clip model. Made by `load_encoder`, which checks what it is.

    identity: what must be equal for embeddings to be mixed. dim: columns. logit_scale: exp of the model's
    temperature, the factor on cosines before a softmax. device, threads: how it runs; they are no part of the
    identity, but the last bits of an embedding depend on them.
    """

    def __init__(
        self,
        spec: str,
        identity: EncoderIdentity,
        model: Any,
        preprocess: Any,
        source: Source,
        device: str,
        threads: int | None,
    ) -> None:
        self.spec = spec
        self.identity = identity
        self.dim = identity.dim
        self.logit_scale = float(model.logit_scale.detach().exp())
        self.device = device
        self.threads = threads
        self._model = model
        self._preprocess = preprocess
        self._source = source
        self._tokenizer: Any = None

    def __repr__(self) -> str:
        return f"Encoder({self.spec!r}, dim={self.dim}, {self.identity.activation}, {self.identity.precision})"

    @property
    def image_tower(self) -> Any:
        """open_clip's model, whose `encode_image` takes pixels [N, 3, H, W]; for exporting it."""
        return self._model

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of preprocessed images."""
        size = self._model.visual.image_size
        height, width = size if isinstance(size, tuple) else (size, size)
        return int(height), int(width)

    def preprocess(self, image: "Image.Image") -> "Tensor":
        """One image as the encoder takes it. Safe to call from threads.

        Args:
            image: RGB, as `read_image` gives it.

        Returns:
            float32 [3, H, W].
        """
        pixels: Tensor = self._preprocess(image)
        return pixels

    def encode_images(self, images: "Sequence[Image.Image]", *, normalised: bool = True) -> "Tensor":
        """Embed images as one batch.

        Args:
            images: N PIL images.
            normalised: divide each row by its norm.

        Returns:
            float32 [N, dim] on the CPU; no images give [0, dim].

        Raises:
            EncoderUnavailable: values that are not finite came out.
        """
        import torch

        if not len(images):
            return torch.empty(0, self.dim)
        return self.encode_pixels(torch.stack([self.preprocess(image) for image in images]), normalised=normalised)

    def encode_pixels(self, pixels: "Tensor", *, normalised: bool = True) -> "Tensor":
        """Embed preprocessed images as one batch.

        Args:
            pixels: [N, 3, H, W], rows of `preprocess`.
            normalised: divide each row by its norm.

        Returns:
            float32 [N, dim] on the CPU.

        Raises:
            EncoderUnavailable: values that are not finite came out.
        """
        with self._inference():
            features = self._model.encode_image(pixels.to(self.device, _input_dtype(self.identity.precision)))
            return self._rows(features, normalised)

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """Embed texts. Those longer than the model's context are cut, as in training.

        Args:
            texts: T texts.

        Returns:
            float32 [T, dim] on the CPU, rows of norm 1; no texts give [0, dim].

        Raises:
            EncoderUnavailable: the tokenizer is not to be had, or values that are not finite came out.
            BadInput: anything that is not a list of str.
        """
        import torch

        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise BadInput(f"expected a list of texts, got {texts!r}")
        if not len(texts):
            return torch.empty(0, self.dim)
        tokens = self._tokens(texts)
        with self._inference():
            parts = [self._model.encode_text(part.to(self.device)) for part in torch.split(tokens, _TEXTS)]
            return self._rows(torch.cat(parts))

    def _tokens(self, texts: Sequence[str]) -> "Tensor":
        if self._tokenizer is None:
            import open_clip

            try:
                self._tokenizer = open_clip.get_tokenizer(self._source.tokenizer or self._source.model_name)
            except Exception as error:
                reason = (str(error) or type(error).__name__).splitlines()[0]
                raise EncoderUnavailable(
                    f"encoder {self.spec!r}: its tokenizer could not be loaded ({reason}); its image tower works, but "
                    "texts need the tokenizer's files in the cache or beside the weights"
                ) from None
        tokens: Tensor = self._tokenizer(list(texts))
        rows = getattr(getattr(self._model, "token_embedding", None), "num_embeddings", None)
        if rows is not None and int(tokens.max()) >= rows:
            raise EncoderUnavailable(
                f"encoder {self.spec!r}: its tokenizer gives token {int(tokens.max())}, but the model has "
                f"{rows}; name the right one in text_cfg.hf_tokenizer_name"
            )
        return tokens

    def _rows(self, features: "Tensor", normalised: bool = True) -> "Tensor":
        import torch
        from torch.nn.functional import normalize

        rows = features.detach().float()
        rows = (normalize(rows, dim=-1) if normalised else rows).cpu()
        if not torch.isfinite(rows).all():
            raise EncoderUnavailable(
                f"encoder {self.spec!r}: it gave values that are not finite in precision "
                f"{self.identity.precision}; use fp32"
            )
        return rows

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """No gradients, and this encoder's thread count for as long as it computes."""
        import torch

        before = torch.get_num_threads()
        try:
            if self.threads is not None:
                torch.set_num_threads(self.threads)
            with torch.inference_mode():
                yield
        finally:
            if self.threads is not None:
                torch.set_num_threads(before)


def load_encoder(
    spec: str = TINY_SPEC,
    *,
    precision: str = "fp32",
    device: str | None = None,
    threads: int | None = None,
) -> Encoder:
    """Load the encoder that `spec` names, with the right activation, preprocessing and real weights.

    Args:
        spec: `affect-tiny`, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.
        precision: one of `PRECISIONS`.
        device: torch's name; None is cuda where there is one, else cpu.
        threads: torch's intra-op threads while this encoder computes; None leaves torch's setting. Embeddings are
            bit-identical at one thread count.

    Raises:
        EncoderUnavailable: an unknown spec, architecture or tag; weights that are absent (the message says what was
            tried and what would do), random, not finite, or not readable without running code; an activation that is
            not the one the weights were trained with.
        BadInput: an unknown precision, or fewer than one thread.
    """
    if precision not in PRECISIONS:
        near = difflib.get_close_matches(precision.lower(), PRECISIONS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadInput(f"no precision {precision!r}{hint} (one of {', '.join(PRECISIONS)})")
    if threads is not None and threads < 1:
        raise BadInput(f"expected at least one thread, got {threads}")
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    source = find(spec)
    model, preprocess = _load(spec, source, precision, device)
    with torch.inference_mode():
        size = model.visual.image_size
        height, width = size if isinstance(size, tuple) else (size, size)
        blank = torch.zeros(1, 3, height, width, device=device, dtype=_input_dtype(precision))
        dim = int(model.encode_image(blank).shape[1])
    identity = EncoderIdentity(
        architecture=source.architecture,
        weights_sha256=source.sha256,
        activation="quickgelu" if _runs_quickgelu(model) else "gelu",
        preprocessing=_plain_preprocessing(model.visual.preprocess_cfg),
        precision=precision,
        normalised=True,
        dim=dim,
        has_text=hasattr(model, "encode_text"),
    )
    return Encoder(spec, identity, model, preprocess, source, device, threads)


def _load(spec: str, source: Source, precision: str, device: str) -> tuple[Any, Any]:
    """The model in evaluation mode, and its transform; never with random weights."""
    import pickle

    import open_clip
    import torch

    overrides = {f"image_{key}": value for key, value in source.preprocessing.items()}
    try:
        model, preprocess = open_clip.create_model_from_pretrained(
            source.model_name,
            source.pretrained,
            precision=precision,
            device=device,
            weights_only=True,
            **overrides,
        )
    except pickle.UnpicklingError:
        raise EncoderUnavailable(
            f"{source.weights}: it holds more than tensors, and reading it could run code; "
            "save its state dict as .safetensors where you trust it"
        ) from None
    except Exception as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:300]
        raise EncoderUnavailable(
            f"encoder {spec!r}: open_clip could not load {source.weights.name} as {source.architecture} ({reason})"
        ) from None
    model.eval()
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise EncoderUnavailable(f"{source.weights}: {name} has values that are not finite; fetch it again")
    return model, preprocess


def _input_dtype(precision: str) -> Any:
    import open_clip
    import torch

    return open_clip.get_input_dtype(precision) or torch.float32


def _runs_quickgelu(model: Any) -> bool:
    """What the model's modules do, whatever its configuration says."""
    return any(type(module).__name__ == "QuickGELU" for module in model.modules())


def _plain_preprocessing(config: dict[str, Any]) -> dict[str, Any]:
    """JSON's types only, so that an identity read back equals the one written."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in sorted(config.items())}
