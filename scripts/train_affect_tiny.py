"""Make affect-tiny, the encoder that ships with affectml: `python scripts/train_affect_tiny.py`.

A small CLIP learns which words go with which demo paintings. Its pictures come from a random stream that no
demo set can reach; its words are the labels and synonyms of all built-in taxonomies, in all their prompts.
The nearer a painting's feeling is to a word's place, the likelier the word is its caption; image-to-text and
text-to-image cross-entropy against those odds (CLIP's loss, Radford et al. 2021, with soft targets) make the
cosine similarity fall with the squared distance, so that the nearest word of ANY list of words wins.

Writes open_clip_config.json, open_clip_model.safetensors and README.md (what was measured) to --out, in the
layout that open_clip reads as `local-dir:`. Same arguments, versions and thread count: the same bytes.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save as serialize
from torch import Tensor, nn

from affectml._files import replacing, write_json
from affectml.demo_set import write_demo
from affectml.demo_set.painting import look_of, paint, training_stream
from affectml.demo_set.people import draw_feeling, squared_distances
from affectml.taxonomies import builtin_names, get_taxonomy

FOLDER = Path(__file__).resolve().parents[1] / "affectml" / "encoders" / "affect_tiny"
SIDE = 64
PIXELS = 96  # of the paintings that it learned from
GREY = [0.5, 0.5, 0.5]
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 128,
        "quick_gelu": False,
        "vision_cfg": {
            "image_size": SIDE,
            "patch_size": 16,
            "layers": 4,
            "width": 128,
            "head_width": 32,
            "pool_type": "avg",
        },
        "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2},
    },
    "preprocess_cfg": {
        "mean": GREY,
        "std": GREY,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}
CAPTION_WIDTH = 0.2  # how far from its place a word is still a likely caption, on the feelings' axes

MEASURED_ON = [*(("mikels-8", seed) for seed in range(5)), *((n, 0) for n in ("parrott-25", "ekman-6", "polarity-2"))]


@dataclass(frozen=True)
class Captions:
    """P phrases with their places [P, 3], and for each phrase its prompts as token ids."""

    phrases: tuple[str, ...]
    places: np.ndarray
    tokens: list[Tensor]

    def draw(self, generator: torch.Generator) -> Tensor:
        """One prompt per phrase, at random: [P, context]."""
        return torch.stack([prompts[torch.randint(len(prompts), (), generator=generator)] for prompts in self.tokens])

    def used_tokens(self) -> Tensor:
        """Ids of all tokens that occur in any prompt."""
        used: Tensor = torch.unique(torch.cat([prompts.flatten() for prompts in self.tokens]))
        return used


def all_captions(tokenizer: Any) -> Captions:
    """Labels and synonyms of every built-in taxonomy that have a place, each in all its taxonomies' prompts."""
    places: dict[str, tuple[float, float, float]] = {}
    prompts: dict[str, set[str]] = {}
    for name in builtin_names():
        taxonomy = get_taxonomy(name)
        for label, place in taxonomy.places.items():
            for phrase in (label, *taxonomy.synonyms.get(label, ())):
                places.setdefault(phrase, (place.valence, place.arousal, place.dominance or 0.0))
                prompts.setdefault(phrase, set()).update(t.format(label=phrase) for t in taxonomy.templates)
    phrases = tuple(sorted(places))
    tokens = [tokenizer(sorted(prompts[phrase])) for phrase in phrases]
    return Captions(phrases, np.array([places[phrase] for phrase in phrases]), tokens)


def paint_training_set(places: np.ndarray, count: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Paintings as uint8 [N, 3, SIDE, SIDE], resized as the encoder's preprocessing does, and feelings [N, 3]."""
    pixels = np.empty((count, SIDE, SIDE, 3), dtype=np.uint8)
    feelings = np.empty((count, 3))
    for index in range(count):
        rng = training_stream(seed, index)
        feelings[index] = draw_feeling(places, rng)
        picture = paint(look_of(feelings[index], rng), rng, PIXELS)
        pixels[index] = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), feelings


def batches(count: int, size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """`steps` batches of row numbers: one shuffled pass after the other."""
    queue = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(queue) < size:
            queue = torch.cat([queue, torch.randperm(count, generator=generator)])
        yield queue[:size]
        queue = queue[size:]


def train(model: Any, captions: Captions, args: argparse.Namespace) -> None:
    """Train in place; prints the loss as it goes."""
    generator = torch.Generator().manual_seed(args.seed)
    pixels, feelings = paint_training_set(np.unique(captions.places, axis=0), args.paintings, args.seed)
    distances = squared_distances(feelings, captions.places)
    affinity = torch.from_numpy(-distances / (2 * CAPTION_WIDTH**2)).float()
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
        lr=args.lr,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=args.steps)
    model.train()
    started = time.monotonic()
    for step, rows in enumerate(batches(len(pixels), args.batch, args.steps, generator), start=1):
        pictures = (pixels[rows].float() / 255 - 0.5) / 0.5
        quarter_turns = int(torch.randint(4, (), generator=generator))
        pictures = torch.rot90(pictures, quarter_turns, (2, 3))  # no feeling depends on which way is up
        with torch.autocast("cpu", torch.bfloat16):  # a third less time; the weights stay float32
            images = model.encode_image(pictures)
        images = nn.functional.normalize(images.float(), dim=-1)
        texts = nn.functional.normalize(model.encode_text(captions.draw(generator)), dim=-1)
        logits = model.logit_scale.exp() * images @ texts.T
        odds = affinity[rows]
        loss = (
            nn.functional.cross_entropy(logits, odds.softmax(dim=1))
            + nn.functional.cross_entropy(logits.T, odds.T.softmax(dim=1))
        ) / 2
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=np.log(100))
        if step % 50 == 0 or step == args.steps:
            print(f"step {step}/{args.steps}  loss {loss.item():.4f}  {time.monotonic() - started:.0f} s", flush=True)
    model.eval()


def save(model: Any, captions: Captions, out: Path) -> None:
    """Write config and fp16 weights; rows of tokens that no caption uses are zeroed, so that the file packs small."""
    state = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    kept = torch.zeros(state["token_embedding.weight"].shape[0], dtype=torch.bool)
    kept[captions.used_tokens()] = True
    state["token_embedding.weight"][~kept] = 0
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "open_clip_config.json", CONFIG)
    with replacing(out / "open_clip_model.safetensors") as temporary:
        temporary.write_bytes(serialize(state, metadata={"format": "pt"}))


@dataclass(frozen=True)
class Measured:
    """What one unseen demo set says: zero-shot top-1 against the true mode, share of the cross-entropy gap."""

    taxonomy: str
    seed: int
    top_1: float
    gap: float


def measure(out: Path, taxonomy: str, seed: int, images: int) -> Measured:
    """Write a demo set, load the encoder as anybody would, and measure it there."""
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{out}")
    model.eval()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        drawn = {"images": images, "seed": seed, "taxonomy": taxonomy, "panel": "textbook", "size": PIXELS}
        dataset = write_demo(Path(folder) / "demo", **drawn)
        labels = list(get_taxonomy(taxonomy).labels)
        assert dataset.truth is not None  # a demo set always has it
        truth = dataset.truth.set_index("image_id").loc[dataset.images["image_id"], labels].to_numpy()
        votes = dataset.target("emotions").take(dataset.images["image_id"].to_numpy()).shares()
        pictures = []
        for file in dataset.images["file"]:
            with Image.open(dataset.image_path(file)) as picture:
                pictures.append(preprocess(picture))
        features = torch.cat([model.encode_image(torch.stack(pictures[i : i + 256])) for i in range(0, images, 256)])
        template = get_taxonomy(taxonomy).templates[0]
        texts = model.encode_text(tokenizer([template.format(label=label) for label in labels]))
    features = nn.functional.normalize(features.clone(), dim=-1)
    scores = features @ nn.functional.normalize(texts.clone(), dim=-1).T
    top_1 = float((scores.argmax(dim=1).numpy() == truth.argmax(axis=1)).mean())
    return Measured(taxonomy, seed, top_1, gap_closed(features, torch.tensor(votes, dtype=torch.float32), truth))


def gap_closed(features: Tensor, votes: Tensor, truth: np.ndarray) -> float:
    """How far a linear sigmoid head on the features gets from the prior (0) to the true rates (1).

    Trained on votes of the first 60 %, L2 chosen on the next 20 %, judged by per-label cross-entropy against
    the votes of the last 20 %.
    """
    first, second = int(0.6 * len(votes)), int(0.8 * len(votes))
    mean, std = features[:first].mean(dim=0), features[:first].std(dim=0)
    x = torch.cat([(features - mean) / std, torch.ones(len(votes), 1)], dim=1)
    bce = nn.functional.binary_cross_entropy_with_logits

    def fit(l2: float) -> Tensor:
        weights = torch.zeros(x.shape[1], votes.shape[1], requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = bce(x[:first] @ weights, votes[:first]) + l2 * weights[:-1].square().sum()
            torch.autograd.backward(loss)
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return weights.detach()

    heads = [fit(l2) for l2 in (1e-5, 1e-4, 1e-3, 1e-2)]
    best = min(heads, key=lambda w: float(bce(x[first:second] @ w, votes[first:second])))
    prior = votes[:first].mean(dim=0).logit().expand(len(votes) - second, -1)
    oracle = torch.tensor(truth[second:], dtype=torch.float32).logit()
    at = [float(bce(logits, votes[second:])) for logits in (prior, x[second:] @ best, oracle)]
    return (at[0] - at[1]) / (at[0] - at[2])


def card(args: argparse.Namespace, captions: Captions, measured: list[Measured], parameters: int) -> str:
    """The model card, README.md beside the weights."""
    rows = "\n".join(f"| {m.taxonomy} | {m.seed} | {m.top_1:.3f} | {m.gap:.3f} |" for m in measured)
    made = f"steps={args.steps}, batch={args.batch}, paintings={args.paintings}, seed={args.seed}"
    versions = f"torch {torch.__version__.split('+')[0]}, open_clip_torch {open_clip.__version__}"
    return f"""# affect-tiny

A CLIP of {parameters / 1e6:.1f} million parameters ({SIDE} px): the encoder of machines that have no other weights. It
knows affectml's demo paintings and nothing else. What it says about a photograph means little, and every
report that rests on it says so.

Made by `scripts/train_affect_tiny.py` ({made}) from paintings of a
random stream that no demo set reaches, captioned with {len(captions.phrases)} words: the labels and synonyms of all
built-in taxonomies that have a place on the valence-arousal plane. "neutral" and "something else" have none,
and it has never seen them, nor any other word. Weights are fp16; rows of unused tokens are zero.

Measured on demo sets it has not seen ({args.measure} images each): zero-shot top-1 against the mode of the true
rates, with each taxonomy's default prompt, and the share of the gap in per-label cross-entropy between the
prior and the true rates that a linear sigmoid head on its features closes.

| taxonomy | demo seed | zero-shot top-1 | gap closed |
|---|---|---|---|
{rows}

Versions: {versions}; {args.threads} thread(s).
"""


def main() -> None:
    """Train, save, measure on unseen demo sets, and write the model card."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--paintings", type=int, default=16_000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="part of what makes the bytes reproducible")
    parser.add_argument("--measure", type=int, default=2000, help="images of each demo set it is measured on")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(args.out / "open_clip_config.json", CONFIG)
    model = open_clip.create_model(f"local-dir:{args.out}", load_weights=False)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{args.out}")
    captions = all_captions(tokenizer)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, {len(captions.phrases)} phrases", flush=True)

    train(model, captions, args)
    save(model, captions, args.out)
    measured = []
    for taxonomy, seed in MEASURED_ON:
        measured.append(measure(args.out, taxonomy, seed, args.measure))
        print(measured[-1], flush=True)
    (args.out / "README.md").write_text(card(args, captions, measured, parameters), encoding="utf-8")


if __name__ == "__main__":
    main()
