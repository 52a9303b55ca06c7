"""The coordinate check in Chinese: its verdicts, its table, its picture."""

COORDINATES: dict[str, str] = {
    # Verdicts over width
    "Activations keep their size and updates move every layer alike at all widths, as under maximal-update "
    "parametrisation: a learning rate found at one width holds at others.": (
        "在各个宽度上，激活值的大小不变，更新对每层的推动也相同，与最大更新参数化一致：在一个宽度上找到的学习率可用于其他宽度。"
    ),
    "Training left the range of numbers at some widths: the learning rate is too large there.": (
        "某些宽度上的训练超出了数值范围：学习率在那里过大。"
    ),
    "Before any update the activations change with width: the weights' variance does not fall as 1 / fan_in.": (
        "更新之前，激活值就随宽度变化：权重的方差没有按输入数的倒数减小。"
    ),
    "Updates move activations the more, the wider the network, as under standard parametrisation at a fixed learning "
    "rate: a rate found at one width is too large at a larger one.": (
        "网络越宽，更新对激活值的推动越大，与学习率固定的标准参数化一致：在一个宽度上找到的学习率对更宽的网络过大。"
    ),
    "Updates move these layers the less, the wider the network: in the limit they do not learn.": (
        "网络越宽，更新对这些层的推动越小：在无限宽的极限下，它们学不到东西。"
    ),
    "The intervals are too wide to tell: take more seeds, or widths that are further apart.": (
        "置信区间太宽，无法判断：请增加随机种子，或拉开宽度之间的差距。"
    ),
    # Over depth
    "Activations, delta and updates keep their size at all depths: a learning rate found at one depth holds at "
    "others.": "在各个深度上，激活值、δ 和更新的大小都不变：在一个深度上找到的学习率可用于其他深度。",
    "Training left the range of numbers at some depths: the learning rate is too large there.": (
        "某些深度上的训练超出了数值范围：学习率在那里过大。"
    ),
    "Before any update activations or delta change with depth: the signal vanishes or explodes on its way.": (
        "更新之前，激活值或 δ 就随深度变化：信号在途中消失或爆炸。"
    ),
    "Updates move activations the more, the deeper the network: a rate found at one depth is too large at a larger "
    "one.": "网络越深，更新对激活值的推动越大：在一个深度上找到的学习率对更深的网络过大。",
    "Updates move these layers the less, the deeper the network.": "网络越深，更新对这些层的推动越小。",
    "The intervals are too wide to tell: take more seeds, or depths that are further apart.": (
        "置信区间太宽，无法判断：请增加随机种子，或拉开深度之间的差距。"
    ),
    "{layers}: {sentence}": "{layers}：{sentence}",
    # The table
    "exponents in {axis} after {steps} steps, {low} to {high}, {seeds} seeds (95 %)": (
        "{axis}的幂指数，训练 {steps} 步之后，{low} 至 {high}，{seeds} 个随机种子（95 %）"
    ),
    "role": "位置",
    "h at start": "训练前的 h",
    "h at end": "训练后的 h",
    "change of z": "z 的变化",
    "input": "输入",
    "hidden": "隐藏",
    "readout": "输出",
    "fixed": "不随宽度变化",
    "standard": "标准参数化",
    "maximal update": "最大更新参数化",
    "first layer": "首层",
    "middle layer": "中间层",
    "last but one": "倒数第二层",
    "last layer": "末层",
    # The picture
    "change of z since step 0, RMS": "z 自第 0 步以来变化的均方根",
}
