"""Is the verdict right on what people train, as published and with an illness put in?

Setup   tests/zoo_architectures.py: U-Net, LSTM and GRU language models, GCN, DCGAN's discriminator, VAE, PINN in plain
        torch; from transformers GPT-2, BERT, ViT, Llama and T5; from timm ResNet-18, ConvNeXt and EfficientNet; small,
        on tasks that 50 steps of Adam make headway with. Each is looked at in one batch and by the record of 50 steps,
        healthy and with each illness that fits it. An illness is one only if it harms: if at the end a quarter of the
        healthy model's decrease of the loss is missing; a model whose loss does not fall as published is left out, for
        of it nothing can be said. It is found if one of both looks has a verdict that calls for a remedy, whatever its
        name, in the place where it was put, where it has one. What the network shrugs off counts as neither.
Expect  no alarm on healthy models, 90 % of what harms found.
Run     python experiments/benchmarks/architectures.py            # some minutes on one core
        python experiments/benchmarks/architectures.py --quick    # plain torch alone
Needs   transformers and timm for theirs; what is not installed is said and left out.
"""

import argparse
import re
import sys
from collections import Counter
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import zoo_architectures as zoo

from vanishlab.analysis.diagnosis import Diagnosis
from vanishlab.analysis.verdict import WELL, named
from vanishlab.cli.tables import print_table

SMALL: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}


def from_transformers() -> list[zoo.Patient]:
    """Return the models that transformers defines, each called as its users do: the batch has the labels."""
    import transformers as hub

    def language(step: int) -> dict[str, Any]:
        tokens = zoo.chain(step)
        return {"input_ids": tokens, "labels": tokens}

    def shown(step: int) -> dict[str, Any]:
        pixels, y = zoo.pictures(step)
        return {"pixel_values": pixels, "labels": y}

    def build(kind: str, config: Any) -> nn.Module:
        return getattr(hub, kind)(config)

    gpt = hub.GPT2Config(vocab_size=50, n_positions=32, n_embd=64, n_layer=4, n_head=4)
    bert = hub.BertConfig(vocab_size=50, max_position_embeddings=32, **SMALL)
    vit = hub.ViTConfig(image_size=32, patch_size=8, num_labels=4, **SMALL)  # pyright: ignore[reportCallIssue]
    llama = hub.LlamaConfig(vocab_size=50, max_position_embeddings=32, **SMALL)
    t5_settings: dict[str, Any] = {"num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0, "pad_token_id": 0}
    t5 = hub.T5Config(vocab_size=50, d_model=64, d_kv=16, d_ff=256, **t5_settings)
    rows = (
        ("GPT-2", "GPT2LMHeadModel", gpt, language, "transformer.h.2.mlp", "transformer.h.2.mlp.c_fc",
         "transformer.h.2.attn.c_attn"),
        ("BERT", "BertForMaskedLM", bert, language, "bert.encoder.layer.2.intermediate",
         "bert.encoder.layer.2.intermediate.dense", "bert.encoder.layer.2.attention.self.query"),
        ("ViT", "ViTForImageClassification", vit, shown, "vit.layers.2.mlp", "vit.layers.2.mlp.fc1",
         "vit.layers.2.attention.q_proj"),
        ("Llama", "LlamaForCausalLM", llama, language, "model.layers.2.mlp", "", "model.layers.2.self_attn.q_proj"),
        ("T5", "T5ForConditionalGeneration", t5, language, "encoder.block.1.layer.1.DenseReluDense", "",
         "encoder.block.1.layer.0.SelfAttention.q"),
    )  # fmt: skip
    return [
        zoo.Patient(name, partial(build, kind, config), lambda outputs: outputs.loss, batch, *places, rate=3e-3)
        for name, kind, config, batch, *places in rows
    ]


def from_timm() -> list[zoo.Patient]:
    """Return timm's convolutional networks, the first two a quarter as wide as published."""
    import timm  # pyright: ignore[reportMissingImports]

    rows = (
        ("ResNet-18", "resnet18", {"channels": (16, 32, 64, 128)}, "layer3.0.conv2", "layer3.1.bn1", ""),
        (
            "ConvNeXt",
            "convnext_atto",
            {"dims": (16, 32, 64, 128)},
            "stages.2.blocks.2.mlp",
            "stages.2.blocks.2.mlp.fc1",
            "",
        ),
        ("EfficientNet", "efficientnet_b0", {}, "blocks.3.1.conv_pwl", "blocks.3.1.bn1", "blocks.3.1.se.conv_expand"),
    )
    found = []
    for name, kind, options, inner, dead, gate in rows:
        build = partial(timm.create_model, kind, num_classes=4, **options)
        found.append(zoo.Patient(name, build, functional.cross_entropy, zoo.pictures, inner, dead, gate))
    return found


def is_found(diagnosis: Diagnosis, place: str) -> bool:
    """Return whether a verdict that calls for a remedy names `place`, or a layer inside it."""
    said = re.compile(rf"(?<![\w.]){re.escape(place)}(?!\w)").search  # by its whole name
    return any(
        verdict.name not in (*WELL, "not enough evidence")
        and (said(verdict.sentence) or any(f"{layer}.".startswith(f"{place}.") for layer in verdict.layers))
        for verdict in diagnosis.verdicts
    )


def summary(diagnosis: Diagnosis) -> str:
    return ", ".join(dict.fromkeys(named(verdict) for verdict in diagnosis.verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="plain torch alone")
    parser.add_argument("--steps", type=int, default=50, help="of training")
    parser.add_argument("--only", default="", help="patients whose name holds this")
    options = parser.parse_args()
    patients = list(zoo.PLAIN)
    for package, more in (("transformers", from_transformers), ("timm", from_timm)):
        if options.quick or find_spec(package) is None:
            print(f"left out: the models of {package}, " + ("--quick" if options.quick else "not installed"))
        else:
            patients += more()
    rows, count = [], Counter()
    for patient in [one for one in patients if options.only.lower() in one.name.lower()]:
        healthy = zoo.follow(patient, steps=options.steps)
        calm = healthy.before.healthy and healthy.during.healthy
        well = zoo.learns(healthy.losses)
        told = "left out: its loss does not fall" if not well else "" if calm else "ALARM"
        rows.append([patient.name, "as published", summary(healthy.before), summary(healthy.during),
                     f"{healthy.losses[0]:.3g} to {healthy.losses[-1]:.3g}", told])  # fmt: skip
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
        if not well:
            continue
        count["well"] += 1
        count["alarms"] += not calm
        for illness in [one for one in zoo.ILLNESSES if zoo.fits(one, patient)]:
            course = zoo.follow(patient, illness, options.steps)
            harmful, place = zoo.harms(healthy.losses, course.losses), illness.place(patient)
            found = is_found(course.before, place) or is_found(course.during, place)
            count["harm"] += harmful
            count["found"] += harmful and found
            count["shrugged off"] += not harmful
            count["shrugged off, named"] += not harmful and found
            told = ("found" if found else "MISSED") if harmful else "named, no harm" if found else "no harm"
            rows.append([patient.name, illness.name, summary(course.before), summary(course.during),
                         f"{course.losses[0]:.3g} to {course.losses[-1]:.3g}", told])  # fmt: skip
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    share = 100 * count["found"] / max(count["harm"], 1)
    columns = ("network", "illness", "one batch", f"{options.steps} steps", "loss", "")
    print_table("what is said of real architectures", columns, rows)
    print(
        f"{count['alarms']} alarms on {count['well']} healthy models; {count['found']} of {count['harm']} harmful "
        f"illnesses found in their place ({share:.0f} %); {count['shrugged off']} shrugged off, "
        f"{count['shrugged off, named']} of these named"
    )


if __name__ == "__main__":
    main()
