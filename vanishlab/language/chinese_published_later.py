"""The published results, continued: from Nielsen's to Yang's."""

PUBLISHED_LATER: dict[str, str] = {
    # nielsen_accuracy and nielsen_chapter5
    "needs MNIST: {error}": "需要 MNIST：{error}",
    "needs MNIST: mnist.npz in a folder that {variable} names": "需要 MNIST：在 {variable} 指定的文件夹中放 mnist.npz",
    "takes minutes, and says something at the end of training only": "要好几分钟，而且只有训练结束时才有结论",
    "validation accuracy, hidden layers: {depth}, %": "验证准确率，{depth} 个隐藏层，%",
    "±{margin:g}: his is one seed": "±{margin:g}：他的结果只有一个随机种子",
    "±{margin:g}: his is one seed, and four layers scatter more": (
        "±{margin:g}：他的结果只有一个随机种子，而四层的波动更大"
    ),
    "the seeds' accuracies are {accuracies}": "各随机种子的准确率为 {accuracies}",
    "layers 1 and 2": "第 1、2 层",
    "later layers": "之后各层",
    "4 hidden layers: first norm / last, {when} 500 epochs": "4 个隐藏层：首层范数 / 末层范数，500 轮{when}",
    "factor 2: his is one seed": "2 倍以内：他的结果只有一个随机种子",
    "the seeds lie between {low:.4f} and {high:.4f}": "各随机种子在 {low:.4f} 与 {high:.4f} 之间",
    "{depth} hidden layers, layer {layer}: share of the seeds whose norm is below his": (
        "{depth} 个隐藏层，第 {layer} 层：范数小于他的结果的随机种子所占的比例"
    ),
    "norm {published:.4f}": "范数 {published:.4f}",
    "inside the band of 95 % of the seeds, {low:.4f} to {high:.4f}": (
        "落在 95 % 随机种子的范围内，{low:.4f} 至 {high:.4f}"
    ),
    "ratio of neighbouring norms, {name}, geometric mean": "相邻两层范数之比，{name}，几何平均",
    "±5 % of theory: at width 30 the mean log lies some 2 % below the log of the mean square": (
        "理论值的 ±5 %：宽度 30 时对数的均值比均方的对数低约 2 %"
    ),
    "published is the geometric mean over his three networks, one seed each": (
        "文献值是他的三个网络的几何平均，每个网络一个随机种子"
    ),
    # pennington_2017
    "largest s^2 / mean s^2, 8 layers, {name}": "s² 的最大值 / 均值，8 层，{name}",
    "±{share:.0%}: at width {width} the largest lies below its limit by about n^(-2/3)": (
        "±{share:.0%}：宽度 {width} 时最大值比极限低约 n^(-2/3)"
    ),
    "relative variance of s^2, {depth} layers, {network}": "s² 的相对方差，{depth} 层，{network}",
    "4 standard errors of {seeds} networks, and L / n = {share:.0%} for the finite width": (
        "{seeds} 个网络的 4 倍标准误差，另加有限宽度的 L / n = {share:.0%}"
    ),
    # poole_2016
    "at sigma_b² = {sigma_b2:g}": "σ_b² = {sigma_b2:g}",
    "sigma_w² where chi = 1, {what}": "χ = 1 处的 σ_w²，{what}",
    "q* there, {what}": "该处的 q*，{what}",
    "{name}*, {phase} (sigma_w² = {sigma_w2:g}), networks of width {width}": (
        "{name}*，{phase}（σ_w² = {sigma_w2:g}），宽度 {width} 的网络"
    ),
    "4 standard errors at this width, and 0.01 for the way still to go": (
        "此宽度下的 4 倍标准误差，另加 0.01，留给尚未走完的路程"
    ),
    "1e-5, and half of the last digit; predicted: this script's quadrature, measured: `theory.critical_point`": (
        "1e-5，外加末位数字的一半；预测：本脚本的数值积分，实测：本库理论部分的临界点"
    ),
    # residual_growth
    "no norm: factor of mean h² per block": "无归一化：h² 的均值每块乘以的倍数",
    "batch norm in the branch: mean h² gained per block": "分支中批归一化：h² 的均值每块增加的量",
    "the same: RMS of branch {deep} over RMS of the sum": "同上：第 {deep} 个分支的均方根 / 和的均方根",
    "of the order of 1/√L": "量级为 1/√L",
    "branches / √L: mean h² after {deep} blocks": "分支除以 √L：{deep} 块之后 h² 的均值",
    "tends to e": "趋于 e",
    "pre-norm (layer norm): mean h² gained per block": "前置归一化（层归一化）：h² 的均值每块增加的量",
    "0.5 to 1.5": "0.5 至 1.5",
    "the published range is a Transformer's, whose attention adds up to 1; without it the lower end holds": (
        "文献给出的范围是变换器的，其注意力至多再加 1；没有注意力时取下端"
    ),
    "post-norm: mean h² before the norms": "后置归一化：归一化之前 h² 的均值",
    "pre-norm: last block's RMS delta, {deep} blocks over {shallow}": (
        "前置归一化：最后一块 δ 的均方根，{deep} 块 / {shallow} 块"
    ),
    "as 1/√L": "按 1/√L",
    "1/√L is the limit of the predicted (1 + L/2)^(-½)": "预测：(1 + L/2)^(-½)，其极限为 1/√L",
    "post-norm: the same, {deep} over {shallow}": "后置归一化：同上，{deep} 块 / {shallow} 块",
    "pre-norm: RMS delta of block 1 over block {deep}": "前置归一化：δ 的均方根，第 1 块 / 第 {deep} 块",
    "about 1 (a preliminary analysis)": "约 1（初步分析）",
    "here paper and measurement differ: only the last blocks' gradient is smaller by √L (no attention here). On the "
    "way back h's gradient grows by the factors by which h grew, so block l is left with 1/√(1 + l/2), whatever L is": (
        "此处文献与实测不同：只有最后几块的梯度小 √L 倍（这里没有注意力）。反向途中，h 的梯度按 h 增长的倍数增长，"
        "所以不论 L 是多少，第 l 块都剩下 1/√(1 + l/2)"
    ),
    "post-norm: RMS delta of block 1 over block {deep}": "后置归一化：δ 的均方根，第 1 块 / 第 {deep} 块",
    "below 1 (a preliminary analysis)": "小于 1（初步分析）",
    "per example it neither grows nor decays without attention: the branch adds what the norm takes. The gradient of "
    "the batch does decay towards the input, to {batch:.2f} of the last block's: examples become alike with depth, "
    "and their gradients add up": (
        "没有注意力时，单个样本的 δ 既不增长也不衰减：归一化拿走的，分支又补上。整个批次的梯度则向输入方向衰减，"
        "到最后一块的 {batch:.2f} 倍：样本随深度变得相似，它们的梯度便叠加起来"
    ),
    "no norm, branch ends with ReLU, h + relu(W h): the same factor": (
        "无归一化，分支以 ReLU 结尾，h + relu(W h)：同一倍数"
    ),
    "more than the published 2, which asks for branches of mean 0. ReLU's mean adds up: with r = (mean h) / (RMS h), "
    "mean h² grows by 2 + 2r/√π; in the limit 2r³/√π + r² - 2r/√π = 1/π, r = 0.801, the factor 2.904": (
        "大于文献值 2，后者要求分支的均值为 0。ReLU 的均值会累积：设 r 为 h 的均值与均方根之比，h² 的均值每块乘以 "
        "2 + 2r/√π；极限处 2r³/√π + r² - 2r/√π = 1/π，r = 0.801，倍数为 2.904"
    ),
    "branch scale learned from 0: largest change of RMS h over all layers": (
        "分支系数从 0 学起：h 的均方根在所有层上的最大变化"
    ),
    "exact: h + 0": "精确：h + 0",
    # saxe_2014
    "slope of log best rate against log depth, {first} to {deepest} layers, orthogonal": (
        "最好学习率的对数对深度对数的斜率，{first} 至 {deepest} 层，正交权重"
    ),
    "±0.2: one place on the grid of rates, over a factor of 4 in depth, is 0.17": (
        "±0.2：深度相差 4 倍时，学习率网格上的一格为 0.17"
    ),
    "±0.15: one place on the grid of rates at either end is 0.08, and 2 layers are few for theory": (
        "±0.15：两端学习率网格上的一格为 0.08，而 2 层对理论来说太少"
    ),
    "best rate / largest stable rate, {deepest} layers, orthogonal": (
        "最好的学习率 / 最大的稳定学习率，{deepest} 层，正交权重"
    ),
    "one place on the grid to either side": "网格上左右各一格",
    "steps to learn, {deepest} layers / 4 layers, orthogonal": "学会所需的步数，{deepest} 层 / 4 层，正交权重",
    "1, and a finite delay": "1，且延迟有限",
    "factor 2, where depth and Gaussian weights bring far more": "2 倍以内，而深度加上高斯权重会带来大得多的倍数",
    "{few:.1f} and {many:.1f} steps: the delay is there, and it levels off with depth": (
        "{few:.1f} 步和 {many:.1f} 步：延迟是有的，且随深度趋于平稳"
    ),
    "steps to learn, {shared} layers, Gaussian / orthogonal": "学会所需的步数，{shared} 层，高斯权重 / 正交权重",
    "above 1, grows with depth": "大于 1，随深度增长",
    "a clear gap; its size depends on the seeds": "差距明显；大小取决于随机种子",
    "{few:.1f} steps at {first} layers and {many:.0f} at {shared} with Gaussian weights: their product's singular "
    "values lie far apart, so that no one rate fits them": (
        "高斯权重在 {first} 层时需 {few:.1f} 步，{shared} 层时需 {many:.0f} 步：其乘积的奇异值相差悬殊，"
        "没有一个学习率适合所有奇异值"
    ),
    # schoenholz_2017
    "factor of ‖delta‖² per layer, {phase}": "‖δ‖² 每层乘以的倍数，{phase}",
    "width {width}: ±4 % at 300, ±1.5 % at 1,000": "宽度 {width}：300 时 ±4 %，1,000 时 ±1.5 %",
    "deepest of {depths} that trains, {phase}": "{depths} 层中训练得动的最深者，{phase}",
    "about 6 xi_c": "约 6 ξ_c",
    "within one doubling": "相差不超过一倍",
    "every depth tried": "试过的每种深度",
    "accuracies at these depths: {accuracies}": "这些深度的准确率：{accuracies}",
    "accuracy of {quick_depth} layers ({scales:.1f} xi_c), {phase}": (
        "{quick_depth} 层（{scales:.1f} ξ_c）的准确率，{phase}"
    ),
    # sigmoid_slope
    "layers that break the bound": "超过上界的层",
    "a theorem": "定理",
    "sigma_max(W) / 4, mean": "W 的最大奇异值 / 4，均值",
    "factor of ||delta|| per layer, geometric mean": "‖δ‖ 每层乘以的倍数，几何平均",
    "at most 0.144": "至多 0.144",
    "±3 %: width 64": "±3 %：宽度 64",
    "the slope is 1/4 at z = 0 only; biases and activations of 1/2 keep z away from it, hence below 0.144": (
        "斜率只在 z = 0 处为 1/4；偏置和 1/2 的激活值使 z 离开该处，所以小于 0.144"
    ),
    # thousand_tanh_layers
    "orthogonal": "正交权重",
    "Gaussian": "高斯权重",
    "{depth} layers, {steps} steps": "{depth} 层，{steps} 步",
    "orthogonal: accuracy on the training data, {size}": "正交权重：训练数据上的准确率，{size}",
    "on its way: chance is 0.1": "正在学习：随机猜测为 0.1",
    "all but a few examples, in every seed": "每个随机种子下，除少数样本外全部正确",
    "Gaussian: the same, {size}": "高斯权重：同上，{size}",
    "not far from chance, in every seed": "每个随机种子下都离随机猜测不远",
    "orthogonal: RMS delta of layer 1 over the last hidden layer's": "正交权重：δ 的均方根，第 1 层 / 最后一个隐藏层",
    "factor 1.5: {depth} layers' slopes of tanh, each a mean over {width} units": (
        "1.5 倍以内：{depth} 层 tanh 的斜率，每层是 {width} 个单元的均值"
    ),
    "orthogonal: log10 of the condition number of the weights' product": (
        "正交权重：权重之积的条件数，取以 10 为底的对数"
    ),
    "the rounding of float32, 1e-7 in each of {factors} factors": "float32 的舍入误差，{factors} 个因子各 1e-7",
    "Gaussian: the same": "高斯权重：同上",
    "four standard deviations of the smallest singular value's log": "最小奇异值之对数的四倍标准差",
    "almost nothing but one direction is left of what enters or comes back": (
        "不论进入的还是返回的，几乎只剩下一个方向"
    ),
    "Gaussian with σ_w² = 1/3: largest norm of a layer's weight gradient": (
        "高斯权重，σ_w² = 1/3：各层权重梯度的最大范数"
    ),
    "h and delta lose a factor √3 per layer; 0 where that leaves float32, which ends at 1e-45": (
        "h 和 δ 每层缩小 √3 倍；超出 float32 的范围（下限 1e-45）时为 0"
    ),
    # yang_2019
    "{activation}, batches of {size}: factor of delta² per layer": (
        "{activation}，每批 {size} 个样本：δ² 每层乘以的倍数"
    ),
    "±{share:.0f} %: width {width}, standard error {error:.1f} %": (
        "±{share:.0f} %：宽度 {width}，标准误差 {error:.1f} %"
    ),
    "of all activations the linear one explodes least (theorem 9), and it still does": (
        "所有激活函数中，线性的爆炸得最慢（定理 9），但仍然爆炸"
    ),
    "the limit of large batches is {limit:.4f}": "大批次的极限为 {limit:.4f}",
}
