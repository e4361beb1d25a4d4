"""The encoder: images and texts in, L2-normalised float32 rows out."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from affectml._progress import Say
from affectml.encoders._spec import TINY_SPEC, Source, find
from affectml.encoders.identity import PRECISIONS, Agreement, EncoderIdentity, Ran, kept_as, spoken
from affectml.encoders.images import Prepare, first_line
from affectml.encoders.threads import processor, usable_cores, usable_device
from affectml.encoders.towers import TorchTower, mapped_model, natural_precision, without_padding
from affectml.errors import BadInput, EncoderUnavailable

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

_TEXTS = 256  # texts encoded at a time, so that a data set's captions fit into memory
# Whose order by a fast way and by fp32 is compared: Mikels' eight emotions.
_LABELS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")


class Encoder:
    """A frozen open_clip model. Made by `load_encoder`, which checks what it is.

    identity: what must be equal for embeddings to be mixed. dim: columns. logit_scale: exp of the model's
    temperature, the factor on cosines before a softmax. device, threads: how it runs; they are no part of the
    identity. threads is None where torch's own setting stands and streams of images take the cores that there are.

    With precision auto its texts and its single batches are in fp32. A stream of images settles what images are
    embedded in: see `try_faster`.
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
        self._preprocess = Prepare(preprocess)
        self._source = source
        self._tokenizer: Any = None
        self._fp32 = TorchTower(model, _torch_precision(identity.precision), device)
        self._tower, self._fast = self._fp32, dict[str, TorchTower]()
        self._settled = identity.precision != "auto"
        self.reduces_jpeg = False

    def __repr__(self) -> str:
        return f"Encoder({self.spec!r}, dim={self.dim}, {self.identity.activation}, {spoken(self.identity.precision)})"

    @property
    def image_tower(self) -> Any:
        """open_clip's model, whose `encode_image` takes pixels [N, 3, H, W]; for exporting it."""
        return self._model

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of preprocessed images."""
        return _image_size(self._model)

    @property
    def stream_threads(self) -> int:
        """Threads that a stream of images has: as asked, else as many as there are cores, however busy these are.

        Each encodes batches of its own and waits for no other, so that they take of the cores what others leave.
        """
        return self.threads if self.threads is not None else usable_cores()

    @property
    def ran(self) -> Ran:
        """What computes its embeddings of images at present."""
        return Ran(
            precision=self._tower.precision,
            backend="torch",
            device=self.device,
            processor=self._processor,
            reduced_jpeg=self.reduces_jpeg,
            versions={name: version(name) for name in ("torch", "pillow")},
            parameters=self._parameters,
        )

    @cached_property
    def _parameters(self) -> int:
        """Numbers in the image tower, frozen as they are."""
        return sum(int(each.numel()) for each in self._model.visual.parameters())

    @cached_property
    def _processor(self) -> str:
        if self.device.startswith("cuda"):
            import torch

            return torch.cuda.get_device_name(self.device)
        return processor()

    def is_settled(self, prefer: str | None = None) -> bool:
        """Whether it is known what images are embedded in; with `prefer`, whether that is it."""
        fixed = self.identity.precision != "auto"
        return fixed or (self._settled and prefer in (None, self._tower.precision))

    @property
    def pixel_type(self) -> "torch.dtype":
        """What pixels are rounded to before its tower computes with them."""
        return self._tower.pixel_type

    def try_faster(self, prefer: str | None = None, *, say: Say = lambda line: None) -> bool:
        """Embed in this machine's fast way on trial, from now until `conclude`; for precision auto.

        The machine decides, see `natural_precision`. False where there is nothing to try: then images are embedded in
        fp32.

        Args:
            prefer: the precision, as `Ran` has it, that the images before these were embedded in; fp32 stays.
            say: called with what was chosen, and why, where nothing is tried.
        """
        way = PRECISIONS["fp32" if prefer == "fp32" else natural_precision(self.device)]
        self._settled = way == "fp32"
        self.reduces_jpeg = not self._settled
        if self._settled:
            self._tower = self._fp32
            why = "as the images before" if prefer == "fp32" else "this machine has nothing faster that agrees with it"
            say(f"{self.spec}: embedding in fp32, {why}")
        else:
            self._tower = self._fast.get(way) or self._fast.setdefault(way, self._fp32.converted(way))
        return not self._settled

    def exact(self, pixels: "Tensor") -> "Tensor":
        """Rows of norm 1 by fp32, whatever is tried; pixels of images decoded in full. Safe to call from threads."""
        import torch
        from torch.nn.functional import normalize

        with torch.inference_mode():
            return normalize(self._fp32(pixels).detach().float(), dim=-1).cpu()

    def conclude(
        self, rows: "Tensor", exact: "Tensor", labels: "Tensor | None", *, say: Say = lambda line: None
    ) -> bool:
        """Keep to what is on trial where it agrees with fp32, else embed in fp32 from now on; whether it is kept.

        Args:
            rows: by the way on trial, [N, dim], of any norm; nan where it gave none.
            exact: by `exact`, of the same images.
            labels: by `label_rows`.
            say: called with what was chosen, and why.
        """
        from torch.nn.functional import normalize

        way, found = spoken(self._tower.precision), Agreement.of(normalize(rows, dim=-1), exact, labels)
        chosen = f"{way}, which agrees with fp32"
        if not found.agrees:
            chosen = f"fp32, since {way} does not agree with it here"
            self.withdraw()
        self._settled = True
        say(f"{self.spec}: embedding in {chosen} ({found})")
        return found.agrees

    def withdraw(self) -> None:
        """End what is on trial, if anything is, without a choice: fp32, and nothing settled."""
        if not self._settled:
            self._tower, self.reduces_jpeg = self._fp32, False

    def label_rows(self) -> "Tensor | None":
        """Rows of the labels whose order is compared; None without a text tower that can be used."""
        import torch

        if not self.identity.has_text:
            return None
        try:
            with torch.inference_mode():
                return self._encoded([f"a photo that evokes {label}" for label in _LABELS], padded=False)
        except EncoderUnavailable:  # without its tokenizer's files images can be embedded all the same
            return None

    def preprocess(self, image: "Image.Image") -> "Tensor":
        """One image as the encoder takes it. Safe to call from threads.

        Args:
            image: RGB, as `read_image` gives it.

        Returns:
            float32 [3, H, W].
        """
        return self._preprocess(image)

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
            return self.rows(pixels, normalised=normalised)

    def rows(self, pixels: "Tensor", *, normalised: bool = True) -> "Tensor":
        """As `encode_pixels`, with the threads that torch has in the thread that calls; safe to call from several."""
        import torch

        with torch.inference_mode():
            return self._rows(self._tower(pixels), normalised)

    def encode_texts(self, texts: Sequence[str], *, padded: bool = True) -> "Tensor":
        """Embed texts. Those longer than the model's context are cut, as in training.

        Args:
            texts: T texts.
            padded: False passes over the padding behind the longest of them, where the model does not look at it: rows
                are the same but for rounding, and a few words take a fifth of the time.

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
        with self._inference():
            return self._encoded(texts, padded)

    def _encoded(self, texts: Sequence[str], padded: bool) -> "Tensor":
        import torch

        model, tokens = self._model, self._tokens(texts)
        if not padded:
            model, tokens = without_padding(model, tokens)
        return self._rows(torch.cat([model.encode_text(part.to(self.device)) for part in torch.split(tokens, _TEXTS)]))

    def _tokens(self, texts: Sequence[str]) -> "Tensor":
        if self._tokenizer is None:
            import open_clip

            try:
                self._tokenizer = open_clip.get_tokenizer(self._source.tokenizer or self._source.model_name)
            except Exception as error:
                raise EncoderUnavailable(
                    f"encoder {self.spec!r}: its tokenizer could not be loaded ({first_line(error)}); its image tower "
                    "works, but texts need the tokenizer's files in the cache or beside the weights"
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
            way, way_out = self._tower.precision, "use fp32"
            if way == "fp32":
                way_out = "its weights may be damaged: load them again from where they came"
            raise EncoderUnavailable(
                f"encoder {self.spec!r}: it gave values that are not finite in precision {spoken(way)}; {way_out}"
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
    mapped: bool = False,
) -> Encoder:
    """Load the encoder that `spec` names, with the right activation, preprocessing and real weights.

    Args:
        spec: `affect-tiny`, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.
        precision: one of `PRECISIONS`. With auto, what images are embedded in is chosen by the first images, see
            `Encoder.try_faster`; affect-tiny, which gains nothing by it, is in fp32.
        device: torch's name; None is cuda where there is one, else cpu.
        threads: threads while this encoder computes; None leaves torch's setting, and streams of images take the
            cores that there are. Embeddings are the same to the last bit with any number of them.
        mapped: leave weights in their file where that can be (on the CPU, a .safetensors that holds just what the model
            does), so that only what a tower computes with is read, when it does: for one of the two towers, of weights
            that were loaded before. They are not looked through for values that are not finite; what comes of them is.
            The file must stay as it is for as long.

    Raises:
        EncoderUnavailable: an unknown spec, architecture or tag; weights that are absent (the message says what was
            tried and what would do), random, not finite, or not readable without running code; an activation that is
            not the one the weights were trained with.
        BadInput: an unknown precision, a device that is not there, or fewer than one thread.
    """
    kept = kept_as(precision)
    if threads is not None and threads < 1:
        raise BadInput(f"expected at least one thread, got {threads}")
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    usable_device(device)
    source = find(spec)
    if precision == "auto" and source.architecture == TINY_SPEC:
        kept = "fp32"
    model, preprocess, dim = _load(spec, source, _torch_precision(kept), device, mapped)
    identity = EncoderIdentity(
        architecture=source.architecture,
        weights_sha256=source.sha256,
        # what the model's modules do, whatever its configuration says
        activation="quickgelu" if any(type(each).__name__ == "QuickGELU" for each in model.modules()) else "gelu",
        # JSON's types only, so that an identity read back equals the one written
        preprocessing=json.loads(json.dumps(model.visual.preprocess_cfg, sort_keys=True)),
        precision=kept,
        normalised=True,
        dim=dim,
        has_text=hasattr(model, "encode_text"),
    )
    return Encoder(spec, identity, model, preprocess, source, device, threads)


def _load(spec: str, source: Source, precision: str, device: str, mapped: bool) -> tuple[Any, Any, int]:
    """The model in evaluation mode, its transform, and its columns; never with random weights."""
    import pickle

    import open_clip
    import torch
    from PIL import Image

    overrides = {f"image_{key}": value for key, value in source.preprocessing.items()}

    def create(device: str) -> tuple[Any, Any, int]:
        model, preprocess = open_clip.create_model_from_pretrained(
            source.model_name, source.pretrained, precision=precision, device=device, weights_only=True, **overrides
        )
        return model.eval(), preprocess, _dim(model, precision, device)

    found = mapped_model(create, source.weights) if device == "cpu" else None
    if found is not None and mapped:
        return found
    try:
        model, preprocess, dim = found or create(device)
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
    try:
        preprocess(Image.new("RGB", (9, 7)))
    except Exception as error:  # torchvision's, of a mean that is no mean, say
        raise EncoderUnavailable(
            f"{source.weights}: images cannot be prepared as the configuration beside it says ({error})"
        ) from None
    for name, parameter in model.named_parameters():
        if found is not None:
            parameter.data = parameter.data.clone()  # whatever becomes of the file
        if not torch.stack(parameter.aminmax()).isfinite().all():
            raise EncoderUnavailable(f"{source.weights}: {name} has values that are not finite; fetch it again")
    return model, preprocess, dim


def _dim(model: Any, precision: str, device: str) -> int:
    """How many features an image has: as its tower says, and where it says nothing, those of an image."""
    import open_clip
    import torch

    if hasattr(model.visual, "output_dim"):
        return int(model.visual.output_dim)
    with torch.inference_mode():
        dtype = open_clip.get_input_dtype(precision) or torch.float32
        blank = torch.zeros(1, 3, *_image_size(model), device=device, dtype=dtype)
        return int(model.encode_image(blank).shape[1])


def _image_size(model: Any) -> tuple[int, int]:
    size = model.visual.image_size
    height, width = size if isinstance(size, tuple) else (size, size)
    return int(height), int(width)


def _torch_precision(precision: str) -> str:
    """What open_clip loads the model in."""
    return "fp32" if precision == "auto" else precision
