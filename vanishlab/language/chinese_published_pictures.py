"""What the pictures of experiments/published/ say, in Chinese, but what its tables say too."""

PUBLISHED_PICTURES: dict[str, str] = {
    # Axes and keys of several
    "layer l (1 is nearest the input)": "第 l 层（第 1 层最靠近输入）",
    "block l (1 is nearest the input)": "第 l 块（第 1 块最靠近输入）",
    "layer {layer}": "第 {layer} 层",
    "layers L": "层数 L",
    "layers D": "层数 D",
    "batch size": "批次大小",
    "epoch": "轮",
    "density": "概率密度",
    "mean": "均值",
    "delta": "δ",
    "weight gradient": "权重梯度",
    "chance": "随机猜测",
    "sharpness": "锐度",
    "Loss": "损失",
    "order": "有序",
    "chaos": "混沌",
    "{name}, measured": "{name}，实测",
    "{name}, mean": "{name}，均值",
    "{phase}, measured": "{phase}，实测",
    "measured, median": "实测，中位数",
    "measured, lowest to highest": "实测，最低至最高",
    "90 % of seeds": "90 % 的随机种子",
    "accuracy on the training digits": "训练数字上的准确率",
    "accuracy on the training data": "训练数据上的准确率",
    "orthogonal weights": "正交权重",
    "Gaussian weights": "高斯权重",
    # balduzzi_2017
    "ReLU: how alike the gradients of two inputs are": "ReLU：两个输入的梯度有多相似",
    "layers passed on the way back": "反向经过的层数",
    "correlation of two inputs' deltas": "两个输入的 δ 的相关系数",
    "theory: Π (π − θ_l) / π": "理论：Π (π − θ_l) / π",
    "plain, measured": "普通网络，实测",
    "batch norm with fixed statistics, measured": "批归一化，统计量固定，实测",
    "batch norm, measured: −1 / (n − 1), its size": "批归一化，实测：−1 / (n − 1) 的绝对值",
    # cohen_2021
    "Sharpness, and 2 / rate (dashed)": "锐度，以及 2 / 学习率（虚线）",
    "rate {rate:.3g}: 2 / rate = {edge:.3g}": "学习率 {rate:.3g}：2 / 学习率 = {edge:.3g}",
    # glorot_bengio_2010
    "singular value of a layer's Jacobian": "一层雅可比矩阵的奇异值",
    "Jacobians of layers 2 to 5": "第 2 至 5 层的雅可比矩阵",
    "{name}, quarter circle of theory's χ": "{name}，由理论的 χ 得出的四分之一圆",
    "variance, relative to layer 5": "方差，相对于第 5 层",
    "On the way back ({data})": "反向途中（{data}）",
    # hanin_nica_2018
    "{depth} ReLU layers of width {width}: how far the gradient differs between seeds, β = {beta:g}": (
        "{depth} 个宽度为 {width} 的 ReLU 层：各随机种子的梯度相差多远，β = {beta:g}"
    ),
    "N(−β/2, β), the limit": "N(−β/2, β)，极限分布",
    "exact moments": "精确的矩",
    "quantile of N(−β/2, β)": "N(−β/2, β) 的分位数",
    "quantile measured": "实测的分位数",
    # he_2015
    "ReLU, He's and Xavier's weights: factors 1 and 1/2 per layer (dashed), bands of 90 % of the seeds": (
        "ReLU，He 与 Xavier 的权重：每层乘以 1 与 1/2（虚线），色带为 90 % 的随机种子"
    ),
    "activation², layer l / layer 1": "激活值²，第 l 层 / 第 1 层",
    "delta², layer l / last hidden layer": "δ²，第 l 层 / 最后一个隐藏层",
    "{name}, mean of seeds": "{name}，各随机种子的均值",
    "{name}, rate {rate:g}": "{name}，学习率 {rate:g}",
    # klambauer_2017
    "SELU: activations come back to variance 1, the gradient grows gently on its way back": (
        "SELU：激活值回到方差 1，梯度在反向途中缓慢增长"
    ),
    "variance of h": "h 的方差",
    "inputs of variance {start:g}": "输入的方差为 {start:g}",
    "1.0716 per layer": "每层 1.0716 倍",
    # lu_2019
    "ReLU networks of one input that start as a constant": "一个输入的 ReLU 网络，开始时就是常数",
    "layers (the readout is one of them)": "层数（含输出层）",
    "networks born dead, %": "生来就死的网络，%",
    "lines: theory; marks: measured": "线：理论；标记：实测",
    "width {width}: dead everywhere": "宽度 {width}：处处死亡",
    "width {width}: dead on a half-line": "宽度 {width}：在半直线上死亡",
    # nielsen_accuracy and nielsen_chapter5
    "Sigmoid layers of 30 on MNIST: more of them do not help": (
        "每层 30 个单元的 sigmoid 网络在 MNIST 上：更多层没有帮助"
    ),
    "hidden layers: {depth}": "隐藏层数：{depth}",
    "validation accuracy, %, mean and range of the seeds": "验证准确率，%，各随机种子的均值与范围",
    "validation accuracy at the end, %": "结束时的验证准确率，%",
    "Nielsen, and the tolerance": "Nielsen 的结果与容差",
    "Sigmoid layers of 30 on MNIST: early layers get less to learn from": (
        "每层 30 个单元的 sigmoid 网络在 MNIST 上：靠前的层得到的学习信号更少"
    ),
    "‖mean delta‖ at the start": "开始时的 ‖δ 的均值‖",
    "epoch (one update)": "轮（一次更新）",
    "‖mean delta‖, median and 80 % of the seeds": "‖δ 的均值‖，中位数与 80 % 的随机种子",
    "{depth} hidden layers, 95 % of the seeds": "{depth} 个隐藏层，95 % 的随机种子",
    # pennington_2017
    "Spread of s²: measured (range) and theory (lines)": "s² 的离散程度：实测（范围）与理论（线）",
    "relative variance of s²": "s² 的相对方差",
    "rank, smallest to largest": "名次，由小到大",
    "s / root mean square": "s / 均方根",
    "Singular values, 8 layers (mean over {seeds} networks)": "奇异值，8 层（{seeds} 个网络的均值）",
    # poole_2016
    "tanh: the line between order and chaos, and networks that settle at theory's fixed points (dashed)": (
        "tanh：有序与混沌的分界线，以及稳定在理论不动点（虚线）处的网络"
    ),
    "q: variance of the pre-activations": "q：预激活值的方差",
    "c: correlation of two inputs": "c：两个输入的相关系数",
    # residual_growth
    "no norm: 2^l": "无归一化：2^l",
    "batch norm in the branch: 1 + l": "分支中批归一化：1 + l",
    "pre-norm: 1 + l/2": "前置归一化：1 + l/2",
    "branches / √L: (1 + 1/L)^l": "分支除以 √L：(1 + 1/L)^l",
    "post-norm, before the norm: 3/2": "后置归一化，归一化之前：3/2",
    "pre-norm: ((1 + L/2) / (1 + l/2))^½": "前置归一化：((1 + L/2) / (1 + l/2))^½",
    "post-norm: 1": "后置归一化：1",
    "Mean h² (lines: theory)": "h² 的均值（线：理论）",
    "mean h² after block l": "第 l 块之后 h² 的均值",
    "RMS delta (lines: theory; bands: all seeds)": "δ 的均方根（线：理论；色带：所有随机种子）",
    "RMS delta at block l / at block L": "δ 的均方根，第 l 块 / 第 L 块",
    # saxe_2014
    "Steps to learn, at the best rate": "最好的学习率下学会所需的步数",
    "Best rate": "最好的学习率",
    "largest stable rate C / (D s²)": "最大的稳定学习率 C / (D s²)",
    # schoenholz_2017
    "tanh, σ_b² = 0.05: the gradient's factor per layer, and the depth that trains": (
        "tanh，σ_b² = 0.05：梯度每层乘以的倍数，以及训练得动的深度"
    ),
    "accuracy at the best rate": "最好的学习率下的准确率",
    # sigmoid_slope
    "Sigmoid: what a layer passes back, and what it can pass back at most": (
        "sigmoid：一层往回传多少，至多能往回传多少"
    ),
    "largest bound σ_max(W) / 4 of the networks": "各网络上界（W 的最大奇异值 / 4）的最大值",
    "smallest bound": "上界的最小值",
    # thousand_tanh_layers
    "{layers} plain tanh layers": "{layers} 个普通 tanh 层",
    "What arrives at each layer": "到达各层的梯度",
    "theory, σ_w = 1.02": "理论，σ_w = 1.02",
    "Gaussian, σ_w² = 1/3 (ends where float32 does)": "高斯权重，σ_w² = 1/3（到 float32 的下限为止）",
    "RMS delta per example at the start": "开始时每个样本 δ 的均方根",
    # yang_2019
    "ReLU: growth on the way back (lines: theory)": "ReLU：反向途中的增长（线：理论）",
    "Rate against batch size (dots: measured)": "增长率与批次大小（点：实测）",
    "delta² at layer l / at the last hidden layer": "δ²，第 l 层 / 最后一个隐藏层",
    "factor of delta² per layer": "δ² 每层乘以的倍数",
    "batches of {size}": "每批 {size} 个样本",
}
