"""Every sentence of the page, in every language: `say("zh", "depth")`. Those of the lessons are in `lesson_words`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vanishlab.errors import check_choice
from vanishlab.playground.lesson_words import LESSON_WORDS

LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "zh": "中文"})

_PAGE: dict[str, tuple[str, str]] = {  # key: (English, Chinese)
    "title": ("vanishlab playground", "vanishlab 实验台"),
    "question": (
        "What happens to the gradient on its way back through a deep network? Move a slider: a network is trained, "
        "predicted and drawn.",
        "梯度在深层网络中反向传播时会发生什么？移动滑块：网络随即被训练、预测并画出。",
    ),
    "free play": ("Free play", "自由探索"),
    "lessons": ("Lessons", "课程"),
    # controls
    "depth": ("depth (hidden layers)", "深度（隐藏层数）"),
    "width": ("width", "宽度"),
    "activation": ("activation", "激活函数"),
    "initialization": ("initialisation", "初始化"),
    "sigma_w": ("σ_w, scale of weights", "σ_w（权重尺度）"),
    "sigma_b": ("σ_b, scale of biases", "σ_b（偏置尺度）"),
    "normalization": ("normalisation", "归一化"),
    "residual": ("residual connections", "残差连接"),
    "learning_rate": ("learning rate", "学习率"),
    "steps": ("steps", "训练步数"),
    "data": ("data set", "数据集"),
    "examples": ("training examples", "训练样本数"),
    "seed": ("seed", "随机种子"),
    "scales note": (
        "σ_w and σ_b count with initialisation gaussian or orthogonal",
        "σ_w 与 σ_b 只对 gaussian、orthogonal 初始化起作用",
    ),
    "scaled": ("{name} (σ_w, σ_b)", "{name}（σ_w, σ_b）"),
    "branch none": ("none", "无"),
    "branch plain": ("plain, h + φ(z)", "普通：h + φ(z)"),
    "branch number": ("h + {scale:g} φ(z)", "h + {scale:g} φ(z)"),
    "branch learned": ("learned scale, from 0", "可学习系数，从 0 开始"),
    "stop": ("Stop", "停止"),
    "hold": ("Hold this one as A", "固定为 A"),
    "release": ("Let A go", "放开 A"),
    "try": ("Play with this network", "在实验台中打开这个网络"),
    # pictures
    "activation_rms": ("activation RMS: the signal going forward", "激活值的均方根：前向信号"),
    "delta_rms": ("delta RMS: the signal coming back", "delta（δ）的均方根：反向传播的信号"),
    "gradient_norm": ("gradient norm: what each layer is told", "梯度范数：每一层得到的更新方向"),
    "history": ("delta, layer × step", "δ：层 × 步"),
    "loss": ("training loss", "训练损失"),
    "phase": ("phase diagram: the edge of chaos", "相图：混沌边缘"),
    "compared": ("delta before training, by layer", "训练前各层的 δ"),
    "this network": ("this network", "当前网络"),
    "curve read out": (
        "{quantity}. Before training: {first} in layer 1, {last} in the readout. In layer 1 at the end: {end}.",
        "{quantity}。训练前：第 1 层 {first}，输出层 {last}；训练结束时第 1 层：{end}。",
    ),
    "key theory": ("theory, ± 2 standard deviations", "理论预测，± 2 个标准差"),
    "key start": ("measured before training", "训练前的测量值"),
    "key end": ("after training", "训练后"),
    "no theory": ("No prediction: {why}.", "没有理论预测：{why}。"),
    "no point": ("No place in the phase diagram: {why}.", "不在相图中：{why}。"),
    # what was found
    "summary": (
        "On its way back delta is multiplied by {factor} per layer. Layer 1 over readout: {ratio}.",
        "反向传播每经过一层，δ 乘以 {factor}。第 1 层与输出层之比：{ratio}。",
    ),
    "nothing": ("nothing that float32 can hold", "小到 float32 无法表示"),
    "trained": (
        "Loss {start} → {end}; training accuracy {accuracy:.2f} (guessing: {guessing:.2f}), test accuracy {test:.2f}.",
        "损失 {start} → {end}；训练准确率 {accuracy:.2f}（瞎猜：{guessing:.2f}），测试准确率 {test:.2f}。",
    ),
    "diverged": (
        "The run diverged at step {step}; shown is what came before.",
        "训练在第 {step} 步发散；图中是发散之前的情况。",
    ),
    "stopped": ("Stopped after {step} of {steps} steps.", "在 {steps} 步中的第 {step} 步停止。"),
    "took": ("{seconds:.2f} s", "{seconds:.2f} 秒"),
    "waiting": ("starting …", "正在开始……"),
    "progress": ("step {step} of {steps}", "第 {step} / {steps} 步"),
    "remaining": ("{progress}, about {seconds:.0f} s left", "{progress}，大约还需 {seconds:.0f} 秒"),
    "drawing": ("drawing", "正在画图"),
    "failed": ("This cannot be done: {why}.", "无法完成：{why}。"),
    "held": ("A, held", "A（已固定）"),
    "now": ("B, now", "B（当前）"),
    "lines": (
        "These lines do what is on screen, to the same bits; the button at their right copies them:",
        "下面的代码与屏幕上的实验逐位一致，点右侧按钮即可复制：",
    ),
    "shell": ("or, from the shell:", "或者在命令行中："),
    # verdicts
    "healthy": ("healthy", "健康"),
    "vanishing": ("vanishing", "梯度消失"),
    "exploding": ("exploding", "梯度爆炸"),
    "masked vanishing": ("masked vanishing", "被掩盖的梯度消失"),
    "saturated": ("saturated", "饱和"),
    "dead": ("dead", "神经元死亡"),
    "symmetric": ("symmetric", "对称未被打破"),
    "underflow": ("underflow", "下溢"),
    "overflow": ("overflow", "上溢"),
    "no gradient": ("no gradient", "没有梯度"),
    "diverging": ("diverging", "发散"),
    "frozen updates": ("frozen updates", "更新停滞"),
    "converged": ("converged", "已收敛"),
    "not enough evidence": ("not enough evidence", "证据不足"),
}

SENTENCES: Mapping[str, tuple[str, ...]] = MappingProxyType(_PAGE | LESSON_WORDS)
"""Key to the sentence in each of `LANGUAGES`."""


def say(language: str, key: str, **values: Any) -> str:
    """Return the sentence `key` in `language`, with `values` in its places.

    >>> say("en", "progress", step=3, steps=30)
    'step 3 of 30'
    """
    check_choice("language", language, LANGUAGES)
    return SENTENCES[key][tuple(LANGUAGES).index(language)].format(**values)
