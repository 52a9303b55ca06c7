"""The experiments' questions and tables, in Chinese, but what their pictures say too."""

EXPERIMENTS: dict[str, str] = {
    # Questions, which are the titles of reports
    "Which activation functions let the gradient through, and do their networks train?": (
        "哪些激活函数让梯度通过，它们的网络训练得动吗？"
    ),
    "How fast does the gradient fall as a sigmoid network gets deeper?": "sigmoid 网络加深时，梯度下降得有多快？",
    "How large are the numbers themselves: activations, deltas, gradients and weights of every layer, octave by "
    "octave?": ("各层的激活值、δ、梯度和权重本身有多大？按倍频程来看"),
    "Which layers of a model that is not an MLP get no gradient, why, and what mends it?": (
        "一个不是多层感知机的模型，哪些层得不到梯度，为什么，怎样补救？"
    ),
    "What does the size of the first random weights decide?": "最初的随机权重的大小决定了什么？",
    "Which learning rates train a network of which depth, for sigmoid and for ReLU?": (
        "sigmoid 与 ReLU 网络，各种深度分别要用哪些学习率才训练得动？"
    ),
    "Can a larger (or smaller) learning rate save the first layers of a deep sigmoid network?": (
        "调大（或调小）学习率，救得了深层 sigmoid 网络的前几层吗？"
    ),
    "Which layers of *my* model get no gradient? The recorder around an ordinary torch model and training loop.": (
        "我的模型里哪些层得不到梯度？用记录器包住普通的 torch 模型和训练循环。"
    ),
    "Which phase does an initialisation put a network in: do its gradients vanish, keep their size, or explode?": (
        "一种初始化把网络放进哪个相：梯度消失、大小不变，还是爆炸？"
    ),
    "Which remedy mends a sigmoid network of 20 layers that does not train, and by how much?": (
        "20 层的 sigmoid 网络训练不动，哪种补救办法有效，效果有多大？"
    ),
    "What must a gradient keep, so that a network can be trained: its size, or the difference between examples?": (
        "要让网络训练得动，梯度必须保住什么：大小，还是样本之间的差别？"
    ),
    "Does theory know the gradients before the network exists?": "网络还不存在的时候，理论就知道梯度吗？",
    "How deep a tanh network can be trained, and does theory's depth scale know it beforehand?": (
        "tanh 网络最深能训练到多少层，理论的深度尺度事先知道吗？"
    ),
    # Titles of tables
    "{examples} examples of {data}, {steps} updates": "{data} 的 {examples} 个样本，更新 {steps} 次",
    "{examples} examples of {data}, {seeds} seeds at step 0": (
        "{data} 的 {examples} 个样本，{seeds} 个随机种子，第 0 步"
    ),
    "least squares: {intercept:.3f} + {slope:.3f} x; stable below {limit:.3f}": (
        "最小二乘解：{intercept:.3f} + {slope:.3f} x；学习率低于 {limit:.3f} 时稳定"
    ),
    "first step, by the module's name": "第一步，按模块名称",
    "{networks} networks, {steps} steps": "{networks} 个网络，{steps} 步",
    "{activation}, width {width}": "{activation}，宽度 {width}",
    "factor of delta per hidden layer, at the start": "训练前，δ 每经过一个隐藏层乘以的倍数",
    "league table: medians over seeds at each remedy's best learning rate": (
        "排行榜：每种补救办法在其最好的学习率下，各随机种子的中位数"
    ),
    # Their columns and cells
    "entries": "分量",
    "when": "何时",
    "before": "训练前",
    "after": "训练后",
    "middle octave: layer 1": "居中的倍频程：第 1 层",
    "decades of 90 % of layer 1": "第 1 层 90 % 的分量跨越的数量级",
    "exactly 0 in layer 1": "第 1 层中恰好为 0 的比例",
    (
        "How far back in time does the gradient reach, in an RNN, a GRU, and an LSTM whose forget gate is opened by "
        "its bias?"
    ): "在 RNN、GRU 和由偏置打开遗忘门的 LSTM 中，梯度能沿时间往回传多远？",
    "delta's factor per step": "δ 每经过一步乘以的倍数",
    "first / last of {length}; accuracy": "{length} 步的首步 / 末步；准确率",
    "{width} units, {steps} updates, medians over {seeds} seeds": (
        "{width} 个单元，更新 {steps} 次，{seeds} 个随机种子的中位数"
    ),
    "share of the last layer that differs": "末层中样本之间互不相同的份额",
    "distance to least squares": "与最小二乘解的距离",
    "where": "位置",
    "networks": "网络数",
    "drawn": "画出的",
    "in the corner": "角内",
    "outside": "角外",
    "reach twice the accuracy of chance": "达到随机猜测准确率两倍的个数",
    "median accuracy": "准确率的中位数",
    "sigma_w": "σ_w",
    "sigma_b": "σ_b",
    "phase": "相",
    "ordered": "有序",
    "chaotic": "混沌",
    "chi": "χ",
    "factor measured": "实测的倍数",
    "q_star": "q*",
    "6 xi_c, in layers": "6 ξ_c（层）",
    "variance without bound": "方差无界",
    "median": "中位数",
    "lowest": "最低",
    "highest": "最高",
    "quantity": "量",
    "layer 1, predicted": "第 1 层，预测",
    "decades from layer 1 to the readout": "从第 1 层到输出层的数量级",
    "mean log ratio, worst layer": "对数比的均值，偏离最大的层",
    "its standard error": "其标准误差",
    "dots in the band": "落在波动范围内的数据点",
    # The worked examples
    "the best of {trials} trials": "{trials} 次试验中最好的",
    "{pruned} trials were pruned by theory before training, {diverged} diverged": (
        "{pruned} 次试验在训练之前被理论剪掉，{diverged} 次发散"
    ),
}
