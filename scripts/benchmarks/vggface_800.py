"""The paper's batch of the first way (Section IV-C.2): one end-to-end update of 800 frames.

Beside the variants of `vggface.py` ours with gradient checkpointing (`train.recompute`), which
keeps the activations of 80 frames at a time. A variant is left out where its memory is not free.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from scripts.benchmarks.frame import Benchmark, Variant, ratio
from scripts.benchmarks.frame.training import POLICIES, against_pytorch, training_variants
from scripts.benchmarks.vggface import FRAMES, keras_step, torch_step

SEQUENCES, AT_ONCE = 10, 80
SAVING = {name: f"keras {name}, {AT_ONCE} frames kept" for name in POLICIES}


def variants() -> dict[str, Variant]:
    """Ours, PyTorch's, and ours with gradient checkpointing."""
    found = training_variants(
        partial(keras_step, sequences=SEQUENCES), partial(torch_step, sequences=SEQUENCES)
    )
    found = {
        name: replace(one, mib=16000 if "float32" in name else 9000) for name, one in found.items()
    }
    for precision, policy in POLICIES.items():
        make = partial(keras_step, policy, SEQUENCES, AT_ONCE)
        needs = ("bfloat16",) if precision == "bfloat16" else ()
        found[SAVING[precision]] = Variant(make, needs, mib=5000)
    return found


BENCHMARK = Benchmark(
    title=f"one end-to-end update of VGG-Face-GRU-attention, {SEQUENCES} sequences of {FRAMES}",
    variants=variants(),
    figures=[
        *against_pytorch(1.5),
        *(
            ratio(
                f"{precision}, {AT_ONCE} frames kept / all kept, {what}",
                [SAVING[precision]],
                [f"keras {precision}"],
                of=of,
            )
            for precision in POLICIES
            for what, of in (("time", "seconds"), ("memory", "peak_mib"))
        ),
    ],
    amount=SEQUENCES * FRAMES,
    unit="frames",
    steps=1,
    warmup=1,
    turns=1,
    resident=False,
)
