"""The hooks on `nn.MultiheadAttention`, whose projections are no modules: autograd's graph knows their deltas.

The output projection's z is what the attention returns, but for the order of its axes. The input projections (one
packed weight, or one each for query, key and value) are products inside a function; the graph's node of each product is
handed dloss/dz on the way back, and a hook on that node sees it. The projections' own values are not to be had, so
these layers have a delta and a gradient, and no activation.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from vanishlab.recording.call import Call
from vanishlab.recording.hooks.module_hooks import ModuleHooks
from vanishlab.recording.layer import Layer
from vanishlab.recording.site import Site

_PRODUCTS = ("AddmmBackward", "MmBackward", "BmmBackward", "BaddbmmBackward", "LinearBackward")


def hooks_for_attention(hooks: ModuleHooks, module: nn.MultiheadAttention, layers: list[Layer]) -> Iterator[Any]:
    """Set the hooks on `module`, for those of its projections that are among `layers`."""
    outer = [layer.site for layer in layers if layer.name.endswith("out_proj")]
    inner = [(layer, layer.site) for layer in layers if not layer.name.endswith("out_proj")]
    under_way: dict[str, Tensor] = {}  # the weights as the forward pass has them: sharded ones are gathered for it

    def before(_: nn.Module, inputs: Any) -> None:
        if hooks.recording:
            under_way.update({layer.name: getattr(module, layer.name.split(".")[-1]) for layer, _ in inner})

    def after(_: nn.Module, inputs: Any, keywords: Any, output: Any) -> None:
        weights = dict(under_way)
        under_way.clear()  # a recorder keeps no weight alive
        for layer, site in inner:
            if site is None or not (started := hooks.start_call(site, output)):
                continue
            z = started[1]
            given = [each for each in (*inputs, *keywords.values()) if isinstance(each, Tensor)]
            nodes = products_with(weights[layer.name], z.grad_fn, {each.grad_fn for each in given})
            query = inputs[0] if inputs else keywords["query"]
            _watch_products(hooks, site, nodes, query.shape[site.batch_axis] if query.ndim > 2 else 1)
        for site in outer:
            if site is not None and (started := hooks.start_call(site, output)):
                _watch_output(hooks, site, *started)

    yield module.register_forward_pre_hook(hooks.hook(before))
    yield module.register_forward_hook(hooks.hook(after), with_kwargs=True)


def _watch_output(hooks: ModuleHooks, site: Site, call: Call, z: Tensor) -> None:
    z.register_hook(lambda delta: hooks.note_delta(site, call, delta))
    call.note_output(site.examples_first(z))


def _watch_products(hooks: ModuleHooks, site: Site, nodes: list[Any], examples: int) -> None:
    for node in nodes:
        call = Call(hooks.measure)
        call.examples, call.in_sequence = examples, len(nodes) == 1

        def note(deltas: Any, call: Call = call) -> None:
            if deltas[0] is not None:
                hooks.note_delta(site, call, deltas[0])

        node.register_prehook(note)


def products_with(weight: Tensor, root: Any, stops: set[Any]) -> list[Any]:
    """Return the nodes of autograd's graph behind `root` that multiply by `weight`, or by a part of it.

    The walk does not go past `stops`, the nodes that made the function's own inputs.
    """
    found, stack, seen = [], [root], {root, *stops}
    while stack:
        node = stack.pop()
        children = [child for child, _ in node.next_functions if child is not None]
        if node.name().startswith(_PRODUCTS) and any(_is_made_of(child, weight) for child in children):
            found.append(node)
        for child in children:
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return found


def _is_made_of(node: Any, weight: Tensor) -> bool:
    # Transposing, splitting and casting have one input each.
    while node is not None and len(node.next_functions) == 1:
        node = node.next_functions[0][0]
    return getattr(node, "variable", None) is weight
