"""The sentences of verdicts, with their evidence and remedies, in Chinese."""

VERDICTS: dict[str, str] = {
    # Verdicts
    "verdict": "诊断结论",
    "layers": "层",
    "why": "原因",
    "numbers": "数值依据",
    "all": "全部",
    "{first} … {last} ({layers} layers)": "{first} … {last}（{layers} 层）",
    "{verdict} ({cause})": "{verdict}（{cause}）",
    "runs {runs}": "运行 {runs}",
    "{name}: {value:.3g}": "{name}：{value:.3g}",
    "{place}. {remedy}: {change}": "{place}. {remedy}：{change}",
    "What to change, the most promising first:": "可以改动的地方，最有希望的排在前面：",
    "no decay of delta: it was measured in fewer than two layers": "δ 的衰减无从谈起：测到 δ 的层不足两个",
    "delta is multiplied by {factor:.3g} per layer on its way back, by {total} over {layers} layers": (
        "δ 往回每经过一层乘以 {factor:.3g}，经过 {layers} 层一共乘以 {total}"
    ),
    "delta is multiplied by {factor:.3g} per layer on its way back (95 %: {low} to {high}), by {total} over {layers} "
    "layers": "δ 往回每经过一层乘以 {factor:.3g}（95 % 置信区间 {low} 至 {high}），经过 {layers} 层一共乘以 {total}",
    "overflow": "上溢",
    "diverging": "发散",
    "symmetric": "对称",
    "dead": "神经元死亡",
    "saturated": "饱和",
    "collapsed": "样本坍缩",
    "exploding": "梯度爆炸",
    "masked vanishing": "被掩盖的梯度消失",
    "vanishing": "梯度消失",
    "no gradient": "没有梯度",
    "frozen updates": "更新停滞",
    "converged": "已收敛",
    "healthy": "健康",
    "not enough evidence": "证据不足",
    "frozen": "被冻结",
    "unused": "未使用",
    "gate": "门",
    "softmax": "softmax",
    "detached": "已从计算图断开",
    "time": "沿时间",
    "One update changed weights by {update:.2g} of their size, and the activations of {layer} went from {first:.2g} "
    "to {last:.2g}: the learning rate is above what is stable, though the loss bears it.": (
        "有一次更新的大小达到权重的 {update:.2g} 倍，层 {layer} 的激活值从 {first:.2g} 变成 {last:.2g}："
        "学习率超出了稳定范围，只是损失还没有发散。"
    ),
    "Numbers left the range of {dtype}: an activation, the loss or a gradient is not finite.": (
        "数值超出了 {dtype} 的范围：激活值、损失或梯度中出现了无穷大或 NaN。"
    ),
    "Numbers left the range of {dtype} in {layers}: an activation, the loss or a gradient is not finite.": (
        "层 {layers} 中的数值超出了 {dtype} 的范围：激活值、损失或梯度中出现了无穷大或 NaN。"
    ),
    "The loss or the gradient is not finite after {updates} updates.": (
        "更新 {updates} 次之后，损失或梯度成了无穷大或 NaN。"
    ),
    "The loss or the gradient is not finite at recorded step {step}.": (
        "在记录的第 {step} 步，损失或梯度成了无穷大或 NaN。"
    ),
    "The loss rose above the first one and did not come back below it, by updates of up to {update:.2g} of the "
    "weights: the learning rate is above what is stable.": (
        "损失升到了初始值之上，没有再降下来；单次更新量最大达到权重的 {update:.2g} 倍：学习率超出了稳定范围。"
    ),
    "The largest update changes its layer's weights by {update:.2g} of their norm: nothing moves.": (
        "最大的一次更新也只改变了该层权重范数的 {update:.2g} 倍：参数几乎没有动。"
    ),
    "{layers}: a gradient but no update; the optimizer does not hold it, or the update is lost to rounding.": (
        "层 {layers}：有梯度却没有更新；优化器里没有这个参数，或者更新量被舍入误差吞掉了。"
    ),
    "The loss is {share:.2g} of what it is with the targets exchanged: the examples are fitted.": (
        "损失只有标签打乱时的 {share:.2g} 倍：样本已经拟合。"
    ),
    "The gradients are small because the examples are fitted and the loss has levelled out.": (
        "梯度很小，是因为样本已经拟合，损失已趋于平稳。"
    ),
    "In {layers} units have the same weights and the same gradient, so they remain copies of each other.": (
        "层 {layers} 中有些单元权重相同、梯度也相同，因此永远是彼此的副本。"
    ),
    "In {layers} {share:.0%} of the ReLU units are not positive for any example; no gradient passes them.": (
        "层 {layers} 中有 {share:.0%} 的 ReLU 单元对任何样本都不为正，没有梯度能通过它们。"
    ),
    "From {first} on the examples can hardly be told apart: {share:.1e} of the energy of what {last} hands on "
    "differs between them.": ("从层 {first} 起，样本几乎无法区分：层 {last} 输出的能量中只有 {share:.1e} 因样本而异。"),
    "From {first} on the examples can hardly be told apart: less than a millionth of the energy of what {last} "
    "hands on differs between them.": (
        "从层 {first} 起，样本几乎无法区分：层 {last} 输出的能量中因样本而异的不到百万分之一。"
    ),
    "From {first} on the examples cannot be told apart: what {last} hands on is the same for all of them.": (
        "从层 {first} 起，样本无法区分：层 {last} 对所有样本的输出完全相同。"
    ),
    "In {layers} up to {share:.0%} of the activation's inputs lie where it is flat.": (
        "层 {layers} 中，激活函数的输入最多有 {share:.0%} 落在它的平坦区。"
    ),
    "In {layers} up to {share:.0%} of what the gates are given lies where sigmoid and tanh are flat.": (
        "层 {layers} 中，各个门的输入最多有 {share:.0%} 落在 sigmoid 与 tanh 的平坦区。"
    ),
    "In the softmax after {layers} up to {share:.0%} of the rows put all their weight on one entry: next to no "
    "gradient passes. What it is given is too large.": (
        "层 {layers} 之后的 softmax 中，最多有 {share:.0%} 的行把全部权重压在一个分量上，"
        "几乎没有梯度能通过：它的输入过大。"
    ),
    "In {layers} the gradient's entries are below what {dtype} holds in full: bits, or all, are lost.": (
        "层 {layers} 中，梯度的分量小到 {dtype} 无法完整表示：有效数字部分或全部丢失。"
    ),
    "No gradient reaches the weights of {layers}: no gradient is asked for (requires_grad is False).": (
        "没有梯度到达层 {layers} 的权重：没有要求计算梯度（requires_grad 为 False）。"
    ),
    "No gradient reaches the weights of {layers}: they were not called in the forward pass.": (
        "没有梯度到达层 {layers} 的权重：前向传播没有调用它们。"
    ),
    "No gradient reaches the weights of {layers}: they were called, but the graph is cut between them and the loss.": (
        "没有梯度到达层 {layers} 的权重：它们被调用过，但计算图在它们与损失之间断开了。"
    ),
    "Delta is exactly zero in {layers}.": "层 {layers} 的 δ 恰好为零。",
    "Delta grows by a factor of {factor:.1e} from the last layer back to the first.": (
        "从末层往回到首层，δ 放大到 {factor:.1e} 倍。"
    ),
    "learning rate of wild updates": "更新失控的学习率",
    "{told} If plain gradient descent trains it, then at a learning rate below {rate:.1e}, at which one update changes "
    "a layer by half of its weights.": (
        "{told}如果用普通的梯度下降还训练得动，学习率也要低于 {rate:.1e}：到了那里，一次更新就把某一层的权重改掉一半。"
    ),
    "Delta grows by a factor of {factor:.1e} from the last layer back to the first, most of it in {layers}.": (
        "从末层往回到首层，δ 放大到 {factor:.1e} 倍，主要发生在层 {layers}。"
    ),
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first.": (
        "从末层往回到首层，δ 不断缩小：末层的 δ 是首层的 {factor:.1e} 倍。"
    ),
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first, most of it in {layers}.": (
        "从末层往回到首层，δ 不断缩小：末层的 δ 是首层的 {factor:.1e} 倍，主要发生在层 {layers}。"
    ),
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first, hidden from the weight gradients "
    "by activations that shrink the other way.": (
        "从末层往回到首层，δ 不断缩小：末层的 δ 是首层的 {factor:.1e} 倍；"
        "但激活值沿相反的方向缩小，使权重梯度掩盖了这一点。"
    ),
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first, most of it in {layers}, hidden "
    "from the weight gradients by activations that shrink the other way.": (
        "从末层往回到首层，δ 不断缩小：末层的 δ 是首层的 {factor:.1e} 倍，主要发生在层 {layers}；"
        "但激活值沿相反的方向缩小，使权重梯度掩盖了这一点。"
    ),
    "Delta grows by a factor of {factor:.1e} from the last call of {layer} back to the first.": (
        "从层 {layer} 的最后一次调用往回到第一次，δ 放大到 {factor:.1e} 倍。"
    ),
    "Delta shrinks by a factor of {factor:.1e} from the last call of {layer} back to the first.": (
        "从层 {layer} 的最后一次调用往回到第一次，δ 不断缩小：最后一次的 δ 是第一次的 {factor:.1e} 倍。"
    ),
    "The weights of {layer} are all zero, so that no gradient passes before the first step: what is said of the "
    "layers before it holds after one.": (
        "层 {layer} 的权重全为零，因此在第一步之前没有梯度能通过：关于它前面各层的结论，是在一步之后得出的。"
    ),
    "The weights of {layer} are all zero, so no gradient passes yet; look again after a step.": (
        "层 {layer} 的权重全为零，所以还没有梯度能通过；请在更新一步之后再看。"
    ),
    "Delta keeps its size over {layers} layers to within a factor of {factor:.3g}.": (
        "δ 经过 {layers} 层基本保持大小，首末相差不超过 {factor:.3g} 倍。"
    ),
    "Delta is {factor:.3g} times smaller in the first of {layers} layers than in the last; from {line:.3g} times on it "
    "counts as vanishing.": ("{layers} 层中，末层的 δ 是首层的 {factor:.3g} 倍；达到 {line:.3g} 倍才算梯度消失。"),
    "Delta is {factor:.3g} times larger in the first of {layers} layers than in the last; from {line:.3g} times on it "
    "counts as exploding.": ("{layers} 层中，首层的 δ 是末层的 {factor:.3g} 倍；达到 {line:.3g} 倍才算梯度爆炸。"),
    # The numbers behind a verdict
    "first step": "首次出现的步",
    "largest update ratio": "最大的更新比",
    "highest loss / first": "最高损失 / 初始损失",
    "last loss / first": "最后损失 / 初始损失",
    "activation, last / first": "激活值，最后 / 最初",
    "update ratio": "更新比",
    "expected": "应有的更新比",
    "loss / loss with targets exchanged": "损失 / 标签打乱时的损失",
    "delta of the last layer, last / first step": "末层的 δ，最后一步 / 第一步",
    "gradient, last / first step": "梯度，最后一步 / 第一步",
    "share of units with a twin": "有副本的单元所占比例",
    "share of dead units": "死亡单元所占比例",
    "share of rows": "所占的行",
    "share saturated": "饱和的比例",
    "distinct share": "因样本而异的份额",
    "effective rank": "有效秩",
    "share of non-zero entries subnormal": "非零分量中次正规数的比例",
    "share zero": "零的比例",
    "decades lost": "下降的数量级",
    "decades, last to first layer": "从末层到首层下降的数量级",
    "decades per layer": "每层下降的数量级",
    "low (95 %)": "置信下限（95 %）",
    "high (95 %)": "置信上限（95 %）",
    "decades that weight gradients show": "权重梯度显出的下降（数量级）",
    "decades that activations lose forward": "激活值前向下降的数量级",
    "decades, last to first call": "从最后一次调用到第一次下降的数量级",
    "calls": "调用次数",
    # Remedies
    "activation swap": "更换激活函数",
    "replace the activation by ReLU with Kaiming's initialisation, or SELU with LeCun's": (
        "换成 ReLU 并用 Kaiming 初始化，或换成 SELU 并用 LeCun 初始化"
    ),
    "matched initialisation": "与激活函数相称的初始化",
    "draw the weights with the gain that belongs to the activation, biases 0": (
        "按激活函数对应的增益抽取权重，偏置取 0"
    ),
    "normalisation": "归一化",
    "normalise the input of each activation (batch norm; layer norm for sequences)": (
        "对每个激活函数的输入做归一化（批归一化；序列用层归一化）"
    ),
    "residual connections": "残差连接",
    "let each layer of equal width add to its input": "让输入输出等宽的每一层把输出加到输入上",
    "scaled residual connections": "带分支系数的残差连接",
    "the same, with a branch scale learned from 0": "同上，分支系数从 0 学起",
    "smaller learning rate": "减小学习率",
    "divide the learning rate by 10, again if need be": "把学习率除以 10，必要时再除一次",
    "larger learning rate": "增大学习率",
    "multiply the learning rate by 10, again if need be": "把学习率乘以 10，必要时再乘一次",
    "warm-up": "学习率预热",
    "raise the learning rate from 0 over the first steps": "在开头若干步里把学习率从 0 逐渐升上去",
    "clipping": "梯度裁剪",
    "rescale the gradient to norm 1 where it is larger": "梯度范数超过 1 时，把它缩放到 1",
    "unfreezing": "解除冻结",
    "set requires_grad to True": "把 requires_grad 设为 True",
    "loss scaling": "损失缩放",
    "multiply the loss by a constant before backward and divide after (torch.amp.GradScaler)": (
        "反向传播之前把损失乘上一个常数，之后再除掉（torch.amp.GradScaler）"
    ),
    "wider dtype": "更宽的数值类型",
    "compute in float32, or in bfloat16, whose range is the same": "用 float32 计算，或用范围相同的 bfloat16",
    "reconnecting": "重新接上计算图",
    "call the layer, and remove what cuts the graph: detach, no_grad, .item(), numpy, argmax": (
        "调用该层，并去掉切断计算图的操作：detach、no_grad、.item()、numpy、argmax"
    ),
    "optimizer's parameters": "优化器的参数",
    "give the optimizer every parameter, after the last one was made": (
        "等所有参数都创建好之后，再把它们全部交给优化器"
    ),
    "{remedy}: delta in the first layer, over that in the last, is {gain:.1e} times what it was, and the examples stay "
    "alike: it is not size that is missing": (
        "{remedy}：第一层与最后一层 δ 之比变成原来的 {gain:.1e} 倍，各样本却依旧几乎相同：缺的不是大小"
    ),
    "smaller weights": "减小权重",
    "make the weights of these layers smaller, or normalise what they are given: the inputs of a recurrent layer, the "
    "products of queries and keys": "减小这些层的权重，或对它们的输入做归一化：循环层的输入，查询与键的乘积",
    "gates": "门控单元",
    "use a gated cell (LSTM with forget bias 1), or orthogonal recurrent weights": (
        "使用门控单元（LSTM，遗忘门偏置取 1），或正交的循环权重"
    ),
}
