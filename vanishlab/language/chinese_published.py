"""The published results that experiments/published/ measures again, in Chinese: its tables and notes."""

PUBLISHED: dict[str, str] = {
    # The table, and the lines around it
    "result": "结果",
    "published": "文献值",
    "predicted": "预测",
    "accepted": "接受范围",
    "holds": "成立",
    "NO": "否",
    "{range} ({reason})": "{range}（{reason}）",
    "{result}: {note}": "{result}：{note}",
    "*{result}*: {note}.  ": "*{result}*：{note}。  ",
    "{low} to {high}": "{low} 至 {high}",
    "at least {number}": "至少 {number}",
    "at most {number}": "至多 {number}",
    "not measured: {reason}": "未测量：{reason}",
    "Not measured: {reason}": "未测量：{reason}。",
    "failed, {kind}: {error}": "失败，{kind}：{error}",
    "{name}: {line}": "{name}：{line}",
    "{source} ({script}, {seconds:.0f} s)": "{source}（{script}，{seconds:.0f} 秒）",
    "{count} of {all} rows hold; table in {path}": "{all} 行中有 {count} 行成立；表格在 {path}",
    "does not hold: {scripts}": "不成立：{scripts}",
    "Measured with {size}torch {version} on {system} ({machine}), {minutes:.0f} minutes in all.": (
        "测量环境：{size}torch {version}，{system}（{machine}），共 {minutes:.0f} 分钟。"
    ),
    # Sources
    "Balduzzi et al. 2017: shattered gradients": "Balduzzi 等 2017：破碎的梯度",
    "Cohen et al. 2021: the edge of stability": "Cohen 等 2021：稳定性边缘",
    "De & Smith 2020, Xiong et al. 2020: growth in residual networks": (
        "De 和 Smith 2020，Xiong 等 2020：残差网络中的增长"
    ),
    "Glorot & Bengio 2010: normalized initialisation": "Glorot 和 Bengio 2010：归一化的初始化",
    "Hanin & Nica 2018: the log of the squared gradient is normal": ("Hanin 和 Nica 2018：梯度平方的对数服从正态分布"),
    "He et al. 2015: ReLU needs twice the variance": "He 等 2015：ReLU 需要两倍的方差",
    "Hochreiter 1991; Bengio et al. 1994: the sigmoid bound": "Hochreiter 1991；Bengio 等 1994：sigmoid 的上界",
    "Klambauer et al. 2017: SELU's fixed point": "Klambauer 等 2017：SELU 的不动点",
    "Lu et al. 2019: networks born dead": "Lu 等 2019：生来就死的网络",
    "Nielsen 2015, chapter 5: accuracy against depth": "Nielsen 2015，第 5 章：准确率与深度",
    "Nielsen 2015, chapter 5: early layers learn slowly": "Nielsen 2015，第 5 章：靠前的层学得慢",
    "Pennington et al. 2017: the Jacobian's spectrum": "Pennington 等 2017：雅可比矩阵的谱",
    "Poole et al. 2016; Schoenholz et al. 2017: order, chaos, and the line between": (
        "Poole 等 2016；Schoenholz 等 2017：有序、混沌及其分界线"
    ),
    "Saxe et al. 2014: deep linear networks": "Saxe 等 2014：深层线性网络",
    "Schoenholz et al. 2017: chi per layer, and the depth that trains": (
        "Schoenholz 等 2017：每层的 χ，以及训练得动的深度"
    ),
    "Xiao et al. 2018: a thousand plain tanh layers": "Xiao 等 2018：一千个普通 tanh 层",
    "Yang et al. 2019: batch normalisation makes gradients explode": "Yang 等 2019：批归一化使梯度爆炸",
    # Reasons that several scripts give
    "chance is 0.1": "随机猜测为 0.1",
    "trains": "训练得动",
    "does not train": "训练不动",
    "quadrature": "数值积分",
    "four standard errors: {seeds} seeds, width {width}": "四倍标准误差：{seeds} 个随机种子，宽度 {width}",
    "4 standard errors of {networks} networks": "{networks} 个网络的 4 倍标准误差",
    "±5 %: sigma_max at width 64 lies below its limit by about n^(-2/3)": (
        "±5 %：宽度 64 时最大奇异值比极限低约 n^(-2/3)"
    ),
    # balduzzi_2017
    "plain, {depth} layers: correlation of delta at layer 1": "普通网络，{depth} 层：第 1 层 δ 的相关系数",
    "here paper and measurement differ: a quarter of the units is co-active at layer 1 only; the angle closes with "
    "depth, and the decay is a power": (
        "此处文献与实测不同：只有第 1 层才有四分之一的单元同时激活；夹角随深度缩小，衰减是幂律"
    ),
    "batch norm, statistics fixed: factor per layer": "批归一化，统计量固定：每层乘以的倍数",
    "±{share} %: {few} seeds, width {width}": "±{share} %：{few} 个随机种子，宽度 {width}",
    "batch norm, statistics of the batch of {batch}: correlation at layer 1": (
        "批归一化，统计量取自 {batch} 个样本的批次：第 1 层的相关系数"
    ),
    "exact but for rounding: the deltas of a unit add up to 0": "除舍入误差外是精确的：每个单元的 δ 之和为 0",
    "here paper and measurement differ: on the way back batch norm subtracts the mean over the batch": (
        "此处文献与实测不同：反向传播时批归一化减去批次的均值"
    ),
    # cohen_2021
    "sharpness at the start / edge, 2 / rate = {edge:g}": "开始时的锐度 / 边缘，2 / 学习率 = {edge:g}",
    "below 1": "小于 1",
    "descent must begin stable, else there is no climb to see": "梯度下降开始时必须稳定，否则看不到锐度的上升",
    "sharpness over the last third / edge, 2 / rate = {edge:g}": "最后三分之一的锐度 / 边缘，2 / 学习率 = {edge:g}",
    "just above 1": "略大于 1",
    "+12 %: 750 steps, the first overshoot is in it": "+12 %：只有 750 步，首次超出也计算在内",
    "-3 % to +5 %: it hovers above, not at, 2 / rate": "-3 % 至 +5 %：它在 2 / 学习率的上方徘徊，而不是正好在其上",
    "of half the squared error summed over the ten classes, 2 / rate would be {limit:g}": (
        "若损失取十个类别平方误差之和的一半，2 / 学习率应为 {limit:g}"
    ),
    "updates that raise the loss, before the edge, share, 2 / rate = {edge:g}": (
        "到达边缘之前，使损失上升的更新所占的比例，2 / 学习率 = {edge:g}"
    ),
    "descent below the edge; counted up to the last measurement below it": (
        "边缘以下的梯度下降；计到边缘以下的最后一次测量为止"
    ),
    "updates that raise the loss, at the edge, share, 2 / rate = {edge:g}": (
        "在边缘处，使损失上升的更新所占的比例，2 / 学习率 = {edge:g}"
    ),
    "some": "有一些",
    "the loss zigzags, but does not only rise": "损失上下起伏，但不是一味上升",
    "loss at the end / at arrival, 2 / rate = {edge:g}": "结束时的损失 / 到达边缘时的损失，2 / 学习率 = {edge:g}",
    "over many steps it falls": "从许多步来看它是下降的",
    # glorot_bengio_2010
    "old": "旧的初始化",
    "normalized": "归一化的初始化",
    "mean singular value of a layer's Jacobian, {name}": "一层雅可比矩阵奇异值的均值，{name}",
    "about 0.5": "约 0.5",
    "about 0.8": "约 0.8",
    "near 1": "接近 1",
    "±0.02: examples and layers differ by that": "±0.02：各样本、各层之间有这么大的差别",
    "measured on {data}": "在 {data} 上测量",
    "factor of the variance of delta per layer, {name}": "δ 的方差每层乘以的倍数，{name}",
    "±6 %: layers differ": "±6 %：各层不同",
    "tanh saturates a little, so below 1": "tanh 略有饱和，所以小于 1",
    "factor of the weight gradient's variance per layer, {name}": "权重梯度的方差每层乘以的倍数，{name}",
    "flat across layers": "各层持平",
    "±10 %: 1 % to 5 % in theory, and the spread over seeds": "±10 %：理论上为 1 % 至 5 %，外加各随机种子间的波动",
    "what activations lose on the way forward, deltas have not yet lost: the product stays": (
        "激活值在前向途中损失的，δ 在那里尚未损失：两者之积不变"
    ),
    # hanin_nica_2018
    "log ‖δ_1‖², mean": "log ‖δ_1‖² 的均值",
    "log ‖δ_1‖², variance": "log ‖δ_1‖² 的方差",
    "-beta/2 = {mean:g}": "-β/2 = {mean:g}",
    "beta = {beta:g}": "β = {beta:g}",
    "3 standard errors of {networks} networks about the exact finite-width value": (
        "以有限宽度的精确值为中心，{networks} 个网络的 3 倍标准误差"
    ),
    "predicted is the exact value at width {width}; beta is its first order in 1/n": (
        "预测的是宽度 {width} 时的精确值；β 是它关于 1/n 的一阶项"
    ),
    "largest distance of its distribution function from that of N(-beta/2, beta)": (
        "其分布函数与 N(-β/2, β) 的分布函数之间的最大距离"
    ),
    "tends to 0": "趋于 0",
    "Kolmogorov–Smirnov, one chance in 1,000, and 0.02 for the terms in 1/n² of mean, variance and skewness": (
        "K–S 检验，显著性水平千分之一，另加 0.02，留给均值、方差和偏度的 1/n² 项"
    ),
    # he_2015
    "{name}: factor per layer, {way}": "{name}：每层乘以的倍数，{way}",
    "±2 %, or 4 standard errors where these are more": "±2 %，若 4 倍标准误差更大则取后者",
    "He: accuracy, {depth} layers": "He：准确率，{depth} 层",
    "converges": "收敛",
    "well on its way after a third of the steps; chance is 0.1": "三分之一的步数之后已经走了不少；随机猜测为 0.1",
    "has learnt its digits": "已经学会了这些数字",
    "Xavier: accuracy, {depth} layers, best rate": "Xavier：准确率，{depth} 层，最好的学习率",
    "stalls": "停滞",
    # klambauer_2017
    "mean of h after {depth} layers": "{depth} 层之后 h 的均值",
    "variance of h after {depth} layers": "{depth} 层之后 h 的方差",
    "4 standard errors at this width and number of seeds, were all inputs alike": (
        "假如各输入都相同，此宽度和种子数下的 4 倍标准误差"
    ),
    "a deviation shrinks by {s:.3f} per layer: that is the pull": "偏差每层乘以 {s:.3f}：这就是拉力",
    "factor of ‖delta‖² per layer, mean": "‖δ‖² 每层乘以的倍数，均值",
    "±1 %, or 4 standard errors where these are more": "±1 %，若 4 倍标准误差更大则取后者",
    # lu_2019
    "networks born dead at width {width}, %": "宽度 {width} 时生来就死的网络，%",
    "what is published, and ±1 point, or 4 standard errors where these are more": (
        "文献值，以及 ±1 个百分点，若 4 倍标准误差更大则取后者"
    ),
    "dead on x > 0 or on x < 0 at width {width}, mean of the two, %": (
        "宽度 {width} 时在 x > 0 或 x < 0 上死亡，两者的均值，%"
    ),
}
