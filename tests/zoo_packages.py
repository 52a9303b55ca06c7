"""Architectures as transformers and timm define them, small, for the patients of `zoo_architectures`.

`OTHERS` were looked at only after the rules were made.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import zoo_architectures as zoo
from torch import nn
from torch.nn import functional

ALIKE: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
SMALL: dict[str, Any] = ALIKE | {"intermediate_size": 256}


def language(step: int) -> dict[str, Any]:
    tokens = zoo.chain(step)
    return {"input_ids": tokens, "labels": tokens}


def shown(step: int) -> dict[str, Any]:
    pixels, y = zoo.pictures(step)
    return {"pixel_values": pixels, "labels": y}


def made_by(hub: Any, name: str, kind: str, config: Any, batch: Callable[[int], Any], *places: str) -> zoo.Patient:
    """Return a model of transformers, which computes its own loss."""
    return zoo.Patient(
        name, lambda: getattr(hub, kind)(config), lambda outputs: outputs.loss, batch, *places, rate=3e-3
    )


def from_transformers() -> list[zoo.Patient]:
    """Return the models that transformers defines, each called as its users do: the batch has the labels."""
    import transformers as hub

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
    return [made_by(hub, *row) for row in rows]


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


def others_from_transformers() -> list[zoo.Patient]:
    """Return others, of which no rule was made."""
    import transformers as hub

    words: dict[str, Any] = {"vocab_size": 50, "max_position_embeddings": 32}
    configs: dict[str, Any] = {
        "DistilBERT": hub.DistilBertConfig(**words, dim=64, n_layers=4, n_heads=4, hidden_dim=256),
        "OPT": hub.OPTConfig(**words, **ALIKE, ffn_dim=256, word_embed_proj_dim=64),
        "GPT-NeoX": hub.GPTNeoXConfig(**words, **SMALL),
        "Mistral": hub.MistralConfig(**words, **SMALL, num_key_value_heads=2),
        "ELECTRA": hub.ElectraConfig(**words, **SMALL, embedding_size=64),
        "DeiT": hub.DeiTConfig(image_size=32, patch_size=8, num_labels=4, **SMALL),  # pyright: ignore[reportCallIssue]
    }
    rows = (
        ("DistilBERT", "DistilBertForMaskedLM", language, "distilbert.transformer.layer.2.ffn",
         "distilbert.transformer.layer.2.ffn.lin1", "distilbert.transformer.layer.2.attention.q_lin"),
        ("OPT", "OPTForCausalLM", language, "model.decoder.layers.2.fc2", "model.decoder.layers.2.fc1",
         "model.decoder.layers.2.self_attn.q_proj"),
        ("GPT-NeoX", "GPTNeoXForCausalLM", language, "gpt_neox.layers.2.mlp",
         "gpt_neox.layers.2.mlp.dense_h_to_4h", "gpt_neox.layers.2.attention.query_key_value"),
        ("Mistral", "MistralForCausalLM", language, "model.layers.2.mlp", "", "model.layers.2.self_attn.q_proj"),
        ("ELECTRA", "ElectraForMaskedLM", language, "electra.encoder.layer.2.intermediate",
         "electra.encoder.layer.2.intermediate.dense", "electra.encoder.layer.2.attention.self.query"),
        ("DeiT", "DeiTForImageClassification", shown, "deit.layers.2.mlp",
         "deit.layers.2.mlp.fc1", "deit.layers.2.attention.q_proj"),
    )  # fmt: skip
    return [made_by(hub, name, kind, configs[name], batch, *places) for name, kind, batch, *places in rows]


def others_from_timm() -> list[zoo.Patient]:
    """Return others, of which no rule was made."""
    import timm  # pyright: ignore[reportMissingImports]

    rows = (
        ("ResNet-50", "resnet50", "layer3.0.conv3", "layer3.1.bn1", ""),
        ("MobileNetV3", "mobilenetv3_small_050", "blocks.2.1.conv_pwl", "blocks.2.1.bn1", "blocks.2.1.se.conv_expand"),
        ("VGG-11", "vgg11_bn", "features.11", "features.12", ""),
        ("DenseNet", "densenet121", "features.denseblock3.denselayer2.conv1",
         "features.denseblock3.denselayer2.norm2", ""),
        ("RegNet", "regnetx_002", "s3.b2.conv1.conv", "s3.b2.conv1.bn", ""),
        ("GhostNet", "ghostnet_050", "blocks.4.0.ghost1.primary_conv.0", "blocks.4.0.ghost1.primary_conv.1", "blocks.4.0.se.conv_expand"),
    )  # fmt: skip
    found = []
    for name, kind, inner, dead, gate in rows:
        narrower: dict[str, Any] = (
            {"mlp_ratio": 1 / 16} if name == "VGG-11" else {}
        )  # 4,096 units take most of the time
        build = partial(timm.create_model, kind, num_classes=4, **narrower)
        batch = partial(zoo.pictures, side=64)
        rate = 1e-4 if name == "VGG-11" else 1e-3  # at 1e-3 nine in ten of its widest layer's units die
        found.append(zoo.Patient(name, build, functional.cross_entropy, batch, inner, dead, gate, rate))
    return found
