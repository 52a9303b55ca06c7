"""The sentences of the playground's page and lessons, in Chinese, but those that pictures or verdicts have too."""

PLAYGROUND: dict[str, str] = {
    # The top of the page
    "vanishlab playground": "vanishlab 实验台",
    "What happens to the gradient on its way back through a deep network? Move a slider: a network is trained, "
    "predicted and drawn.": ("梯度在深层网络中反向传播时会发生什么？移动滑块：网络随即被训练、预测并画出。"),
    "Free play": "自由探索",
    # Controls
    "depth (hidden layers)": "深度（隐藏层数）",
    "initialisation": "初始化",
    "σ_w, scale of weights": "σ_w（权重尺度）",
    "σ_b, scale of biases": "σ_b（偏置尺度）",
    "steps": "训练步数",
    "data set": "数据集",
    "training examples": "训练样本数",
    "{name} (σ_w, σ_b)": "{name}：σ_w、σ_b",
    "none": "无",
    "plain, h + φ(z)": "普通：h + φ(z)",
    "learned scale, from 0": "可学习系数，从 0 开始",
    "Stop": "停止",
    "Hold this one as A": "固定为 A",
    "Let A go": "放开 A",
    # Pictures
    "activation RMS: the signal going forward": "激活值的均方根：前向信号",
    "delta RMS: the signal coming back": "δ 的均方根：反向传播的信号",
    "gradient norm: what each layer is told": "梯度范数：每一层得到的更新方向",
    "distinct share: whether examples are still told apart": "因样本而异的份额：样本还分得开吗",
    "delta, layer × step": "δ：层 × 步",
    "phase diagram: the edge of chaos": "相图：混沌边缘",
    "delta before training, by layer": "训练前各层的 δ",
    "share that differs between examples before training, by layer": "训练前各层中样本之间的差异所占的份额",
    "this network": "当前网络",
    "{quantity}. Before training: {first} in layer 1, {last} in the readout. In layer 1 at the end: {end}.": (
        "{quantity}。训练前：第 1 层 {first}，输出层 {last}；训练结束时第 1 层：{end}。"
    ),
    "theory, ± 2 standard deviations": "理论预测，± 2 个标准差",
    "measured before training": "训练前的测量值",
    "after training": "训练后",
    "No prediction: {why}.": "没有理论预测：{why}。",
    "No place in the phase diagram: {why}.": "不在相图中：{why}。",
    # What was found
    "On its way back delta is multiplied by {factor} per layer. Layer 1 over readout: {ratio}.": (
        "反向传播每经过一层，δ 乘以 {factor}。第 1 层与输出层之比：{ratio}。"
    ),
    "nothing that float32 can hold": "小到 float32 无法表示",
    "Loss {start} → {end}; training accuracy {accuracy:.2f} (guessing: {guessing:.2f}), test accuracy {test:.2f}.": (
        "损失 {start} → {end}；训练准确率 {accuracy:.2f}（瞎猜：{guessing:.2f}），测试准确率 {test:.2f}。"
    ),
    "The run diverged at step {step}; shown is what came before.": "训练在第 {step} 步发散；图中是发散之前的情况。",
    "Stopped after {step} of {steps} steps.": "在 {steps} 步中的第 {step} 步停止。",
    "step {step} of {steps}": "第 {step} / {steps} 步",
    "{progress}, about {seconds:.0f} s left": "{progress}，大约还需 {seconds:.0f} 秒",
    "drawing": "正在画图",
    "the first network is being trained": "正在训练第一个网络",
    "This cannot be done: {why}.": "无法完成：{why}。",
    "A, held": "A（已固定）",
    "B, now": "B（当前）",
    "These lines do what is on screen, to the same bits; the button at their right copies them:": (
        "下面的代码与屏幕上的实验逐位一致，点右侧按钮即可复制："
    ),
    "or, from the shell:": "或者在命令行中：",
    # Lessons
    "Right: {right}.": "答对了：{right}。",
    "Not so. Measured: {right}.": "不对。测量结果：{right}。",
    "The network of this lesson now stands in the playground below. Change it.": (
        "本课的网络已放进下面的实验台，动手改一改吧。"
    ),
    "network": "网络",
    "delta, layer 1 / readout": "δ：第 1 层 / 输出层",
    "theory (infinite width)": "理论（无限宽）",
    "loss, start → end": "损失：开始 → 结束",
    # Lesson: sigmoid
    "Why sigmoid vanishes": "为什么 sigmoid 会梯度消失",
    "**20 sigmoid layers, PyTorch's default initialisation.** Backpropagation sends a signal, delta, from the "
    "readout back to layer 1. How much of it arrives? *Make a guess first; then it is measured.*": (
        "**20 个 sigmoid 隐藏层，PyTorch 默认初始化。** 反向传播把信号 δ 从输出层送回第 1 层，"
        "还能剩下多少？*先猜一猜，然后当场测量。*"
    ),
    "about a twentieth, a little less per layer": "大约二十分之一，每层少一点",
    "about a thousandth": "大约千分之一",
    "less than a millionth": "不到百万分之一",
    "Layer 1 gets {ratio} of what the readout gets (theory, without having seen a weight: {theory}). Every layer "
    "on the way back multiplies delta by {factor}. With the same weights and no activation it is {linear}; the "
    "quotient, {slope}, is the sigmoid's doing: its slope is nowhere larger than 1/4.": (
        "第 1 层只得到输出层的 {ratio} 倍（理论没有看过任何权重，预测为 {theory}）。往回每经过一层，δ 乘以 "
        "{factor}。权重相同而没有激活函数时是 {linear}；两者之商 {slope} 就是 sigmoid 的作用："
        "它的导数处处不超过 1/4。"
    ),
    # Lesson: rates
    "Why the learning rate alone does not save it": "为什么只调学习率救不了它",
    "**10 sigmoid layers, Xavier's initialisation, 60 steps.** The first layers get almost nothing. So let us "
    "take larger steps: which learning rate teaches the network something?": (
        "**10 个 sigmoid 隐藏层，Xavier 初始化，训练 60 步。** 靠前的层几乎得不到梯度，那就把步子迈大："
        "哪个学习率能让网络学到东西？"
    ),
    "a small one, 0.1": "小的：0.1",
    "a larger one, 1 or 10": "大一些：1 或 10",
    "a very large one, 100": "非常大：100",
    "none of them": "都不行",
    "The best of the four ends at a training accuracy of {best}; always naming the most frequent digit gives "
    "{guessing}. A network of one hidden layer reaches {shallow} in the same 60 steps. A learning rate "
    "multiplies the step of every layer by the same number, and layer 1 still gets {ratio} of what the readout "
    "gets.": (
        "四个学习率中最好的一个，训练准确率为 {best}；总是猜最常见的数字可得 {guessing}。只有 1 "
        "个隐藏层的网络同样训练 60 步可达 {shallow}。学习率把每一层的步长乘以同一个数，第 1 "
        "层得到的仍然只有输出层的 {ratio} 倍。"
    ),
    # Lesson: initializations
    "What initialisation does": "初始化的作用",
    "**20 ReLU layers.** PyTorch's default initialisation draws weights √6 ≈ 2.4 times smaller than Kaiming's. "
    "How much more of delta reaches layer 1 with Kaiming's?": (
        "**20 个 ReLU 隐藏层。** PyTorch 默认初始化的权重是 Kaiming 初始化的 1/√6 ≈ 1/2.4。换成 Kaiming "
        "初始化，到达第 1 层的 δ 会多多少？"
    ),
    "about 2.4 times more": "大约 2.4 倍",
    "about 50 times more, 2.4 for each layer": "大约 50 倍：每层 2.4，加起来",
    "millions of times more": "几百万倍以上",
    "{gain} times more: 2.4 per layer is a factor, and 20 layers multiply it, 6 to the power of 10 = {power}. "
    "Training accuracy after 60 steps: {default} with PyTorch's default, {xavier} with Xavier's, {kaiming} with "
    "Kaiming's (guessing: {guessing}).": (
        "{gain} 倍：每层的 2.4 是乘上去的，20 层就是 6 的 10 次方 = {power}。训练 60 步后的训练准确率："
        "PyTorch 默认 {default}，Xavier {xavier}，Kaiming {kaiming}（瞎猜：{guessing}）。"
    ),
    # Lesson: bypasses
    "Normalisation and residual connections": "归一化与残差连接",
    "**30 ReLU layers, Kaiming's initialisation.** A residual connection, h + φ(z), gives the signal a way "
    "around every layer. What does delta do on its way back to layer 1?": (
        "**30 个 ReLU 隐藏层，Kaiming 初始化。** 残差连接 h + φ(z) 让信号可以绕过每一层。δ 回到第 1 层时会怎样？"
    ),
    "it keeps its size, within a factor of ten": "大小基本不变，相差不到十倍",
    "it vanishes": "消失",
    "it explodes": "爆炸",
    "Layer 1 gets {ratio} times what the readout gets: h + φ(z) adds up, forwards too, and the loss before the "
    "first step is {loss} (the last finite one: {end}). With a branch scale that starts at 0 the ratio is "
    "{learned}, and the network reaches a training accuracy of {learned accuracy}. Batch normalisation alone "
    "gives {batch} (theory: {batch theory}); with the residual connections around it {both}, and "
    "{both accuracy}. Without either the 40 steps end at {bare accuracy}.": (
        "第 1 层得到的是输出层的 {ratio} 倍：h + φ(z) 层层累加，前向也是如此，第一步之前的损失已是 "
        "{loss}（最后一个有限的损失：{end}）。分支系数从 0 开始学习时，这个比值是 {learned}，训练准确率 "
        "{learned accuracy}。只用批归一化得到 {batch}（理论：{batch theory}）；再加上残差连接为 {both}，"
        "训练准确率 {both accuracy}。两者都不用，40 步之后是 {bare accuracy}。"
    ),
    # Lesson: chaos
    "The edge of chaos": "混沌边缘",
    "**30 tanh layers, weights of scale σ_w, biases of scale σ_b = 0.05.** The phase diagram has an ordered "
    "side, where gradients vanish, and a chaotic one, where they explode. Which σ_w learns?": (
        "**30 个 tanh 隐藏层，权重尺度 σ_w，偏置尺度 σ_b = 0.05。** 相图的一侧是有序相，梯度消失；"
        "另一侧是混沌相，梯度爆炸。哪个 σ_w 能学会？"
    ),
    "0.7, well inside the ordered phase": "0.7，深入有序相",
    "1.2, close to the line between them": "1.2，靠近两相的分界线",
    "2.5, well inside the chaotic phase": "2.5，深入混沌相",
    "Theory multiplies delta's mean square per layer by χ = {ordered chi} at σ_w = 0.7, {edge chi} at 1.2, "
    "{chaotic chi} at 2.5. Measured, layer 1 gets {ordered}, {edge} and {chaotic} of what the readout gets, and "
    "60 steps end at a training accuracy of {ordered accuracy}, {edge accuracy} and {chaotic accuracy} "
    "(guessing: {guessing}).": (
        "理论上，δ 的均方每层乘以 χ：σ_w = 0.7 时为 {ordered chi}，1.2 时为 {edge chi}，2.5 时为 "
        "{chaotic chi}。实测第 1 层得到的与输出层之比依次为 {ordered}、{edge}、{chaotic}；训练 60 "
        "步后的训练准确率依次为 {ordered accuracy}、{edge accuracy}、{chaotic accuracy}（瞎猜：{guessing}）。"
    ),
    # Lesson: meaning
    "The gradient is there, and nothing is learned": "梯度还在，却什么也没学到",
    "**60 layers, twice.** ReLU with Kaiming's initialisation and layer normalisation, at three learning rates; and "
    "tanh with orthogonal weights. In both a good part of delta reaches layer 1. Which of them learn something?": (
        "**两个 60 层的网络。** 一个用 ReLU、Kaiming 初始化和层归一化，试三个学习率；另一个用 tanh 和正交权重。"
        "两者都有相当一部分 δ 到达第 1 层。哪个能学到东西？"
    ),
    "both": "两个都能",
    "ReLU, at the best of its rates, and tanh does not": "ReLU 在最好的学习率下能，tanh 不能",
    "tanh, and ReLU at none of its rates": "tanh 能，ReLU 在哪个学习率下都不能",
    "neither": "两个都不能",
    "Layer 1 gets {alike ratio} of what the readout gets in the ReLU network, {apart ratio} in the tanh network. But "
    "in the last hidden layer only {alike share} of the energy differs between examples, with tanh {apart share}: 60 "
    "layers have made nearly one vector of all digits. What is told to one is then told to all, and all that can be "
    "learned is one answer for all. The loss comes down to {loss}, and the best such answer costs {constant}. Training "
    "accuracy at the best of three rates: {alike accuracy} (guessing: {guessing}); with tanh: {apart accuracy}.": (
        "ReLU 网络的第 1 层得到输出层的 {alike ratio} 倍，tanh 网络是 {apart ratio} 倍。但在最后一个隐藏层里，"
        "样本之间的差异只占能量的 {alike share}，tanh 则是 {apart share}：60 层把所有数字变成了几乎同一个向量。"
        "对一个样本说的话，等于对所有样本说，于是能学到的只是一个人人相同的答案。损失降到 {loss}，"
        "而这样的答案最好也要 {constant}。三个学习率中最好的训练准确率：{alike accuracy}（瞎猜：{guessing}）；"
        "tanh：{apart accuracy}。"
    ),
    # Lesson: time
    "Through time it is no different": "沿时间方向也一样",
    "**A recurrent layer of 32 units, 30 time steps.** Each time step is a layer, with the same weights, and delta "
    "goes back through all of them. LSTM and GRU have gates so that it arrives. As PyTorch begins an LSTM, how much "
    "of what the last step gets reaches the first one?": (
        "**32 个单元的循环层，30 个时间步。** 每个时间步就是一层，权重相同，δ 要往回穿过所有时间步。LSTM 和 GRU "
        "的门就是为了让它到达。按 PyTorch 的默认初始化，LSTM 最后一步得到的 δ 有多少能到达第一步？"
    ),
    "nearly all of it: that is what gates are for": "几乎全部：门就是干这个的",
    "about a thousandth, much more than in an RNN": "大约千分之一，比 RNN 多得多",
    "less than a hundred-thousandth, as in an RNN": "不到十万分之一，和 RNN 一样",
    "{first LSTM} in the LSTM, {first GRU} in the GRU, {first RNN} in the RNN: PyTorch begins with gates half open, "
    "and a step back multiplies delta by {factor LSTM}. A bias of 1, 3 or 5 opens the forget gate to {open 1}, {open "
    "3} or {open 5}, and the factor becomes {factor LSTM 1}, {factor LSTM 3} or {factor LSTM 5}. What can be learned "
    "follows: a sign that only the first step shows is named with an accuracy of {accuracy LSTM 1}, {accuracy LSTM 3}"
    " and {accuracy LSTM 5} after 300 steps of Adam; without a bias LSTM {accuracy LSTM}, GRU {accuracy GRU} "
    "(guessing: 0.50). The RNN's {accuracy RNN} is luck, good or bad: another seed gives another.": (
        "LSTM 中 {first LSTM} 倍，GRU 中 {first GRU} 倍，RNN 中 {first RNN} 倍：PyTorch 初始化的门只开了一半，"
        "往回每走一步，δ 乘以 {factor LSTM}。偏置 1、3、5 把遗忘门打开到 {open 1}、{open 3}、{open 5}，这个因子就变成 "
        "{factor LSTM 1}、{factor LSTM 3}、{factor LSTM 5}。能学到什么也随之而定：用 Adam 训练 300 步，"
        "说出只有第一步才有的正负号，准确率依次为 {accuracy LSTM 1}、{accuracy LSTM 3}、{accuracy LSTM 5}；"
        "没有偏置时 LSTM {accuracy LSTM}，GRU {accuracy GRU}（瞎猜：0.50）。RNN 的 {accuracy RNN} "
        "全凭运气：换个种子，结果就不同。"
    ),
    "The 30 time steps of an RNN are 30 layers with the same weights. Below stands a tanh network of 30 layers with "
    "weights of their own, drawn in the same way. Compare its factor per layer, and change it.": (
        "RNN 的 30 个时间步就是共用权重的 30 层。下面的实验台里是一个 30 层的 tanh 网络，各层权重独立，"
        "初始化方式相同。比一比它每层的因子，再动手改一改吧。"
    ),
    "first / last of {length}": "{length} 步：第一步 / 最后一步",
    # The name of the language itself, in itself
    "English": "中文",
    # Labels of the lessons' networks
    "1 layer, 1": "1 层，1",
    "residual, scale from 0": "残差连接，系数从 0 学起",
    "batch norm": "批归一化",
    "residual + batch norm": "残差连接 + 批归一化",
}
