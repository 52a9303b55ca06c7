"""Is the verdict right on what people train, as published and with an illness put in?

Setup   tests/zoo_architectures.py: U-Net, LSTM and GRU language models, GCN, DCGAN's discriminator, VAE, PINN in plain
        torch; from transformers GPT-2, BERT, ViT, Llama and T5; from timm ResNet-18, ConvNeXt and EfficientNet; small,
        on tasks that 50 steps of Adam make headway with. Each is looked at in one batch and by the record of 50 steps,
        healthy and with each illness that fits it. An illness is one only if it harms: if a quarter of the healthy
        model's decrease of the loss is missing, and still is after three times as many steps. One that is made up for
        by then is a delay, and is counted apart. A model whose loss does not fall as published is left out, for of it
        nothing can be said. An illness is found if one of both looks has a verdict that calls for a remedy, whatever
        its name, in the place where it was put, where it has one. What the network shrugs off counts as neither.
Expect  no alarm on healthy models, 90 % of what harms found.
Run     python experiments/benchmarks/architectures.py            # some minutes on one core
        python experiments/benchmarks/architectures.py --quick    # plain torch alone
Needs   transformers and timm for theirs; what is not installed is said and left out.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable
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
        own = ()
        if kind == "efficientnet_b0":
            build, own = partial(with_head, build), (zoo.Illness("head drawn by its classes", drawn_by_classes),)
        found.append(zoo.Patient(name, build, functional.cross_entropy, zoo.pictures, inner, dead, gate, own=own))
    return found


def with_head(build: Callable[[], nn.Module]) -> nn.Module:
    """Return what `build` does, its head's weights drawn by what they are given."""
    model = build()
    head = model.get_submodule("classifier")
    assert isinstance(head, nn.Linear)
    nn.init.normal_(head.weight, std=head.in_features**-0.5)
    return model


def drawn_by_classes(model: nn.Module, patient: zoo.Patient) -> None:
    """Draw the head's weights as timm does, by the number of classes: made for a thousand, and large for four."""
    head = model.get_submodule("classifier")
    assert isinstance(head, nn.Linear)
    nn.init.uniform_(head.weight, -(head.out_features**-0.5), head.out_features**-0.5)


def is_found(diagnosis: Diagnosis, places: tuple[str, ...]) -> bool:
    """Return whether a verdict that calls for a remedy names one of `places`, or a layer inside it; "" is anywhere."""
    return any(
        verdict.name not in (*WELL, "not enough evidence")
        and (
            not place
            or names(verdict.sentence, place)
            or any(f"{each}.".startswith(f"{place}.") for each in verdict.layers)
        )
        for verdict in diagnosis.verdicts
        for place in places
    )


def names(sentence: str, place: str) -> bool:
    """Return whether `place` stands in the sentence by its whole name."""
    return re.search(rf"(?<![\w.]){re.escape(place)}(?!\w)", sentence) is not None


def summary(diagnosis: Diagnosis) -> str:
    return ", ".join(dict.fromkeys(named(verdict) for verdict in diagnosis.verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="plain torch alone")
    parser.add_argument("--steps", type=int, default=50, help="of training")
    parser.add_argument("--seed", type=int, default=0, help="of the weights")
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
        healthy = zoo.follow(patient, steps=options.steps, seed=options.seed)
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
        for illness in patient.illnesses:
            course = zoo.follow(patient, illness, options.steps, options.seed, healthy.losses)
            places = zoo.places(illness, patient)
            found = is_found(course.before, places) or is_found(course.during, places)
            lasting = zoo.harms(healthy.losses, course.at_last)
            effect = "harm" if lasting else "delay" if zoo.harms(healthy.losses, course.losses) else "no harm"
            count[effect] += 1
            count[f"{effect}, named"] += found
            told = ("found" if found else "MISSED") if lasting else effect + ", named" * found
            end = f"{course.losses[0]:.3g} to {course.losses[-1]:.3g}" + f", {course.at_last[-1]:.3g}" * lasting
            rows.append([patient.name, illness.name, summary(course.before), summary(course.during), end, told])
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    share = 100 * count["harm, named"] / max(count["harm"], 1)
    columns = ("network", "illness", "one batch", f"{options.steps} steps", "loss", "")
    print_table("what is said of real architectures", columns, rows)
    print(
        f"{count['alarms']} alarms on {count['well']} healthy models; {count['harm, named']} of {count['harm']} "
        f"illnesses found in their place ({share:.0f} %); of {count['delay']} delays {count['delay, named']} "
        f"are named, of {count['no harm']} changes without harm {count['no harm, named']}"
    )


if __name__ == "__main__":
    main()
