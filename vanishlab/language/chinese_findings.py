"""What is found in a model's graph and in its loss, in Chinese."""

FINDINGS: dict[str, str] = {
    # Verdicts and causes
    "not finite": "出现非有限值",
    "unregistered weights": "未登记的权重",
    "targets ignored": "损失不看标签",
    "softmax twice": "重复归一化",
    "wild scale": "尺度失常",
    "stale statistics": "统计量不符",
    "stalled": "学习停滞",
    "levelled out": "损失已走平",
    "flat": "斜率为零",
    "not held": "不在优化器中",
    "forward": "前向",
    "backward": "反向",
    "inputs": "输入",
    "targets": "目标值",
    # Sentences
    "{layer} is the only layer with a measured delta: it gets a gradient, and there is no depth to judge.": (
        "只有层 {layer} 测到了 δ：它得到了梯度，而深度无从谈起。"
    ),
    "Delta was measured in no layer.": "没有一层测到 δ。",
    "Note: {note}": "说明：{note}",
    # While it trains
    "weight norm": "权重范数",
    "Step {step}: {verdict}, since step {began}. {sentence}": "第 {step} 步：{verdict}，始于第 {began} 步。{sentence}",
    "{told} The first to leave its course was {quantity} of {layer}, at step {step}.": (
        "{told}最先偏离原有走势的是层 {layer} 的{quantity}，在第 {step} 步。"
    ),
    "The loss is not finite: {operation} is given finite numbers and returns others.": (
        "损失不是有限值：{operation} 的输入有限，输出却不是。"
    ),
    "The loss is not finite: {operation} in or after {layer} is given finite numbers and returns others.": (
        "损失不是有限值：层 {layer} 之中或之后的 {operation}，输入有限，输出却不是。"
    ),
    "The loss is finite, its gradient is not: {operation} between {layer} and {next} turns a finite gradient into NaN "
    "or infinity; its slope is infinite, or is multiplied by 0, at some of what it is given.": (
        "损失有限，梯度却不是：{layer} 与 {next} 之间的 {operation} 把有限的梯度变成了 NaN 或无穷大；"
        "它在某些输入处的斜率是无穷大，或者又被乘上了 0。"
    ),
    "The loss is finite, its gradient is not: {operation} between {layer} and the loss turns a finite gradient into "
    "NaN or infinity; its slope is infinite, or is multiplied by 0, at some of what it is given.": (
        "损失有限，梯度却不是：{layer} 与损失之间的 {operation} 把有限的梯度变成了 NaN 或无穷大；"
        "它在某些输入处的斜率是无穷大，或者又被乘上了 0。"
    ),
    "The loss is finite, its gradient is not, from {layer} back: look between it and {next} for sqrt, norm, log, a "
    "division or a masked softmax, also behind torch.where, whose slope is infinite at some of what it is given.": (
        "损失有限，梯度从层 {layer} 往回却不是有限值：请在它与 {next} 之间（包括 torch.where 未选中的分支）"
        "找平方根、范数、对数、除法或被完全遮住的 softmax，它在某些输入处的斜率是无穷大。"
    ),
    "The loss is finite, its gradient is not, from {layer} back: look between it and the loss, and in the loss, for "
    "sqrt, norm, log, a division or a masked softmax, also behind torch.where, whose slope is infinite at some of what "
    "it is given.": (
        "损失有限，梯度从层 {layer} 往回却不是有限值：请在它与损失之间以及损失本身（包括 torch.where 未选中的分支）"
        "找平方根、范数、对数、除法或被完全遮住的 softmax，它在某些输入处的斜率是无穷大。"
    ),
    "the input": "输入",
    "The forward pass uses tensors that ask for gradients and are no parameters of this model, so model.parameters() "
    "does not hand them to the optimizer: {names}.": (
        "前向传播用到了要求梯度、却不是本模型参数的张量，所以 model.parameters() 不会把它们交给优化器：{names}。"
    ),
    "Delta is exactly zero from {layer} back: what lies between it and {next} has no slope (a step function such as "
    "round, sign or a comparison, a clamp, or an activation that is flat there).": (
        "从层 {layer} 往回，δ 恰好为零：它与 {next} 之间的运算没有斜率"
        "（取整、取符号、比较之类的阶跃函数，截断，或在那里平坦的激活函数）。"
    ),
    "Delta is exactly zero from {layer} back: what lies between it and the loss has no slope (a step function such as "
    "round, sign or a comparison, a clamp, or an activation that is flat there).": (
        "从层 {layer} 往回，δ 恰好为零：它与损失之间的运算没有斜率"
        "（取整、取符号、比较之类的阶跃函数，截断，或在那里平坦的激活函数）。"
    ),
    "The gradient is exactly zero from {operation} back, between {layer} and {next}: it has no slope there (a step "
    "function such as round or sign, a clamp, a saturated activation), and {layers} learn nothing.": (
        "在 {layer} 与 {next} 之间，从 {operation} 往回梯度恰好为零：它在那里没有斜率"
        "（取整、取符号之类的阶跃函数，截断，或饱和的激活函数），层 {layers} 什么也学不到。"
    ),
    "The gradient is exactly zero from {operation} back, between {layer} and the loss: it has no slope there (a step "
    "function such as round or sign, a clamp, a saturated activation), and {layers} learn nothing.": (
        "在 {layer} 与损失之间，从 {operation} 往回梯度恰好为零：它在那里没有斜率"
        "（取整、取符号之类的阶跃函数，截断，或饱和的激活函数），层 {layers} 什么也学不到。"
    ),
    "The {phi} at the output passes on {slope:.0%} of what it could: the outputs of {layer} before it are too large.": (
        "输出端的 {phi} 只传回应有的 {slope:.0%}：它前面的层 {layer} 输出太大。"
    ),
    "The output {output} is broadcast to {whole} where the loss holds it against the targets: every output meets every "
    "target, so that only the targets' mean is learned.": (
        "损失把输出 {output} 与标签比较时，它被广播成了 {whole}：每个输出对上了每个标签，学到的只是标签的平均值。"
    ),
    "Exchanging the targets changes nothing in the loss: output {output} and target {target} are broadcast, so that "
    "every output is held against every target.": (
        "把标签打乱，损失也不变：输出 {output} 与标签 {target} 被互相广播，每个输出都对上了每个标签。"
    ),
    "The model ends in {inner}, and the loss begins with {outer}: it is given probabilities where it expects logits, "
    "so that gradients shrink and the loss cannot come near 0.": (
        "模型以 {inner} 结尾，损失又以 {outer} 开头：它要的是未归一化的得分，得到的却是概率，"
        "于是梯度变小，损失也降不到 0 附近。"
    ),
    "The loss starts at {loss:.4g}, {ratio:.3g} times that of the best constant answer ({constant:.4g}), and the last "
    "layer's outputs have a root mean square of {size:.3g}: look at the scale of the weights of {layer}, which "
    "multiplies what it is given by {gain:.3g}, and at that of the inputs.": (
        "损失一开始就是 {loss:.4g}，是最佳常数答案（{constant:.4g}）的 {ratio:.3g} 倍，末层输出的均方根为 {size:.3g}："
        "请检查层 {layer} 的权重尺度（它把输入放大到 {gain:.3g} 倍）以及输入的尺度。"
    ),
    "The inputs have a root mean square of {inputs:.3g}, and {layer} hands on {first:.3g}: bring them to about 1 "
    "(subtract the mean, divide by the standard deviation), and targets likewise.": (
        "输入的均方根为 {inputs:.3g}，层 {layer} 传下去 {first:.3g}："
        "请把输入化到 1 左右（减去平均值，除以标准差），目标值也一样。"
    ),
    "The targets have a root mean square of {targets:.3g} and the outputs one of {outputs:.3g}: bring the targets to "
    "about 1, or it takes the last layer's bias alone most of the training to get there.": (
        "目标值的均方根为 {targets:.3g}，输出的为 {outputs:.3g}：请把目标值化到 1 左右，"
        "否则单是末层的偏置就要花去大半训练时间。"
    ),
    "The loss has levelled out at {share:.0%} of the first one, without the examples being fitted.": (
        "损失在初始值的 {share:.0%} 处走平，样本并没有拟合。"
    ),
    "The loss has levelled out at {end:.4g}, and the best answer that is the same for every example costs "
    "{constant:.4g}: a gradient flows, but nothing of the examples is learned.": (
        "损失在 {end:.4g} 处走平，而对所有样本都相同的最佳常数答案的损失是 {constant:.4g}："
        "梯度在流动，却没有从样本中学到东西。"
    ),
    "The loss has levelled out at {share:.0%} of the first one: in {updates} updates next to nothing was learned. "
    "Compare it with that of the best constant answer.": (
        "损失在初始值的 {share:.0%} 处走平：更新了 {updates} 次，几乎什么也没学到。请与最佳常数答案的损失比较。"
    ),
    "{layers}: changed by something else than the optimizer that the recorder was given, so without updates.": (
        "层 {layers}：由记录器不知道的优化器更新，所以这里没有它们的更新量。"
    ),
    "{layers}: frozen (requires_grad is False), the rest is trained.": (
        "层 {layers}：已冻结（requires_grad 为 False），其余的照常训练。"
    ),
    "The loss, {loss:.4g}, is that of the best constant answer, {constant:.4g}, and outputs differ between examples by "
    "{spread:.2g} of their size: usual before training, and after it nothing has been learned.": (
        "损失 {loss:.4g} 与最佳常数答案的损失 {constant:.4g} 相同，各样本的输出只相差其大小的 {spread:.2g} 倍："
        "训练之前这很正常，训练之后则说明什么也没学到。"
    ),
    "The loss of this batch is {train:.4g} in train mode and {eval:.4g} in eval mode, where the best constant answer "
    "costs {constant:.4g}: the running statistics of batch norm ({layers}) do not fit these examples.": (
        "这个批次的损失在训练模式下是 {train:.4g}，在评估模式下是 {eval:.4g}，而最佳常数答案的损失是 {constant:.4g}："
        "批归一化（{layers}）的滑动统计量与这些样本不符。"
    ),
    "The loss of this batch is {train:.4g} in train mode and {eval:.4g} in eval mode.": (
        "这个批次的损失在训练模式下是 {train:.4g}，在评估模式下是 {eval:.4g}。"
    ),
    "The loss of this batch is {train:.4g} in train mode and {eval:.4g} in eval mode: the running statistics of batch "
    "norm ({layers}) are not those of the batch.": (
        "这个批次的损失在训练模式下是 {train:.4g}，在评估模式下是 {eval:.4g}："
        "批归一化（{layers}）的滑动统计量与这个批次的不同。"
    ),
    "Two passes over this batch differ by {again:.2g} times as much as its examples do: dropout ({layers}) drowns what "
    "it should blur.": (
        "同一批次前向两次，输出之差是样本之间差别的 {again:.2g} 倍：dropout（{layers}）把它本该只是模糊的信号淹没了。"
    ),
    "Two passes over this batch differ, by {again:.2g} of what its examples differ by, and no dropout module is at "
    "work: forward draws random numbers.": (
        "同一批次前向两次，输出不同，相差样本之间差别的 {again:.2g} 倍，而没有 dropout 模块在起作用："
        "forward 里抽取了随机数。"
    ),
    "Two passes over this batch differ, by {again:.2g} of what its examples differ by, and no random numbers are why: "
    "forward keeps something from one call to the next that is no buffer, such as a hidden state.": (
        "同一批次前向两次，输出不同，相差样本之间差别的 {again:.2g} 倍，而且不是随机数造成的："
        "forward 在两次调用之间保留了某个不是 buffer 的东西，例如隐藏状态。"
    ),
    "The loss is not finite: {operation} in or after {layer} makes -inf of finite numbers, and {then} makes NaN or "
    "infinity of that.": (
        "损失不是有限数：{layer} 之中或之后的 {operation} 把有限数变成了 -inf，{then} 又由此得出 NaN 或无穷大。"
    ),
    "The loss is not finite: {operation} makes -inf of finite numbers, and {then} makes NaN or infinity of that.": (
        "损失不是有限数：{operation} 把有限数变成了 -inf，{then} 又由此得出 NaN 或无穷大。"
    ),
    "The weights of {layers} are not finite before the pass begins: an earlier update has broken them.": (
        "前向传播之前，{layers} 的权重就已不是有限数：之前的某次更新损坏了它们。"
    ),
    "The inputs are not finite: {share:.2g} of their entries are NaN or infinite before any layer.": (
        "输入不是有限数：进入任何一层之前，就有比例为 {share:.2g} 的项是 NaN 或无穷大。"
    ),
    "The targets are not finite: {share:.2g} of their entries are NaN or infinite.": (
        "目标值不是有限数：其中比例为 {share:.2g} 的项是 NaN 或无穷大。"
    ),
    "The loss is a sum of {terms} terms, and term {place} ({operation}) is {share:.2g} of it: unless it is fitted "
    "already, the others outweigh it, and it is not learned before they have fallen as far. Look at each by itself, "
    "and weigh them.": (
        "损失是 {terms} 项之和，第 {place} 项（{operation}）只占其中的 {share:.2g}：除非它已经拟合，"
        "否则会被其余各项压倒，在它们降到同样大小之前学不到它。请分别查看各项，并加上权重。"
    ),
    "share that is not finite": "非有限值所占比例",
    "weights": "权重",
    "data": "数据",
    "Numbers left the range of {dtype}, first in {operation} in or after {layer}, where the largest was {size:.3g}.": (
        "数值超出了 {dtype} 的范围，最先出现在 {layer} 之中或之后的 {operation}，那里最大的数是 {size:.3g}。"
    ),
    "Numbers left the range of {dtype}, first in {operation}, where the largest was {size:.3g}.": (
        "数值超出了 {dtype} 的范围，最先出现在 {operation}，那里最大的数是 {size:.3g}。"
    ),
    "The gradient left the range of {dtype}, first in {operation} between {layer} and {next}.": (
        "梯度超出了 {dtype} 的范围，最先出现在 {layer} 与 {next} 之间的 {operation}。"
    ),
    "The gradient left the range of {dtype}, first in {operation} between {layer} and the loss.": (
        "梯度超出了 {dtype} 的范围，最先出现在 {layer} 与损失之间的 {operation}。"
    ),
    "finite data": "清理数据",
    "find the entries that are not finite (torch.isfinite), in the files and after every division or logarithm in "
    "front of the model, and leave them out or replace them": (
        "找出不是有限数的项（torch.isfinite）：既看文件，也看模型之前的每个除法和对数；把它们去掉或替换"
    ),
    "finite weights": "有限的权重",
    "begin again from weights that are finite, with a GradientRecorder or a Watcher around the training, which say at "
    "which update they break": (
        "从有限的权重重新开始，并用 GradientRecorder 或 Watcher 包住训练，它们会说出权重在哪次更新时损坏"
    ),
    "loss in eval mode / in train mode": "评估模式的损失 / 训练模式的损失",
    "statistics anew": "重新估计统计量",
    "let batch norm estimate its running statistics again, from the data and batch sizes of training "
    "(torch.optim.swa_utils.update_bn), with a momentum near 0.1; or use layer or group norm": (
        "让批归一化用训练时的数据和批次大小重新估计滑动统计量（torch.optim.swa_utils.update_bn），"
        "momentum 取 0.1 左右；或改用层归一化、组归一化"
    ),
    "Exchanging the targets between examples changes nothing in this loss.": "把标签打乱，这个损失也不变。",
    "{layers}: a gradient but no update, because the optimizer does not hold these parameters.": (
        "层 {layers}：有梯度却没有更新，因为优化器里没有这些参数。"
    ),
    "{layers}: a gradient but no update, because the optimizer holds none of these parameters; it was made for another "
    "model, or before they were replaced.": (
        "层 {layers}：有梯度却没有更新，因为优化器里一个这样的参数也没有；它是为别的模型、或在参数被替换之前创建的。"
    ),
    # The numbers behind a verdict
    "largest input": "最大的输入",
    "largest gradient before": "此前最大的梯度",
    "mean slope / largest": "平均斜率 / 最大斜率",
    "first loss / best constant's": "初始损失 / 最佳常数的损失",
    "largest gain of a layer": "单层最大放大倍数",
    "last loss / best constant's": "最后损失 / 最佳常数的损失",
    "root mean square of the inputs": "输入的均方根",
    "root mean square of the targets": "目标值的均方根",
    # Remedies
    "finite slopes": "让斜率有限",
    "keep sqrt, norm, log and division away from where their slope is infinite: add a small number inside, and with "
    "torch.where choose the input too, not the result alone": (
        "不要让平方根、范数、对数和除法落到斜率为无穷大的地方：在里面加一个小数；"
        "用 torch.where 时，输入也要先选过，而不只是选结果"
    ),
    "a slope": "换上有斜率的函数",
    "replace what has no slope by something that has one, as in z + (round(z) - z).detach(), or move the "
    "clamp's bounds": ("把没有斜率的运算换成有斜率的，例如 z + (round(z) - z).detach()，或者放宽截断的界限"),
    "registration": "登记参数",
    "assign the weights in __init__, as nn.Parameter or in nn.ModuleList or nn.ParameterList, and make the optimizer "
    "afterwards": ("在 __init__ 里把权重登记为 nn.Parameter，或放进 nn.ModuleList、nn.ParameterList，之后再创建优化器"),
    "equal shapes": "统一形状",
    "give outputs and targets one shape: output.squeeze(-1), or target.unsqueeze(-1)": (
        "让输出与标签形状相同：output.squeeze(-1) 或 target.unsqueeze(-1)"
    ),
    "logits": "直接给得分",
    "take the softmax or sigmoid off the end of the model, and hand the loss its input": (
        "去掉模型末尾的 softmax 或 sigmoid，把它的输入直接交给损失"
    ),
    "scaled data": "数据标准化",
    "subtract the mean and divide by the standard deviation, of inputs and of targets": (
        "输入和目标值都减去平均值，再除以标准差"
    ),
}
