"""The sentences of `vanishlab predict`, in Chinese."""

PREDICTIONS: dict[str, str] = {
    # The table
    "layer": "层",
    "activation RMS": "激活值的均方根",
    "measured": "实测",
    "typical value (exp of the mean log over seeds) ×÷ one standard deviation over seeds, as a factor": (
        "典型值（对各随机种子取对数平均后再取指数）×÷ 各种子间的一倍标准差（以倍数计）"
    ),
    "{shown} of {layers} layers; all of them are in the file": "{layers} 层中的 {shown} 层；全部各层都在文件里",
    # The phase
    "phase: none; {reason}": "没有相；{reason}",
    "phase: ordered, gradients vanish (chi = {chi:.4g} per layer of delta's mean square) at sigma_w = {sigma_w:.4g}, "
    "sigma_b = {sigma_b:.4g}": (
        "有序相，梯度消失（δ 的均方每往回一层乘以 χ = {chi:.4g}），此处 σ_w = {sigma_w:.4g}，σ_b = {sigma_b:.4g}"
    ),
    "phase: critical, gradients keep their size (chi = {chi:.4g} per layer of delta's mean square) at "
    "sigma_w = {sigma_w:.4g}, sigma_b = {sigma_b:.4g}": (
        "临界，梯度大小不变（δ 的均方每往回一层乘以 χ = {chi:.4g}），此处 σ_w = {sigma_w:.4g}，σ_b = {sigma_b:.4g}"
    ),
    "phase: chaotic, gradients explode (chi = {chi:.4g} per layer of delta's mean square) at sigma_w = {sigma_w:.4g}, "
    "sigma_b = {sigma_b:.4g}": (
        "混沌相，梯度爆炸（δ 的均方每往回一层乘以 χ = {chi:.4g}），此处 σ_w = {sigma_w:.4g}，σ_b = {sigma_b:.4g}"
    ),
    # The fixed points
    "fixed points: {q_star}, {c_star}": "不动点：{q_star}，{c_star}",
    "q_star = {q:.4g}": "q* = {q:.4g}",
    "every variance is kept": "任何方差都保持不变",
    "{q_star} (inputs from elsewhere may settle at q = {q:.4g})": "{q_star}（从别处出发的输入可能停在 q = {q:.4g}）",
    "{q_star} (inputs from elsewhere may settle at variances without bound)": (
        "{q_star}（从别处出发的输入，方差可能无界增长）"
    ),
    "c_star = {c:.4g}": "c* = {c:.4g}",
    "every correlation is kept": "任何相关系数都保持不变",
    # The depth scales
    "depth scales: xi_q = {xi_q:.3g}, xi_c = {xi_c:.3g}, xi_grad = {xi_grad:.3g} layers; trainable to about "
    "{times} xi_c = {layers:.3g} layers": (
        "深度尺度：ξ_q = {xi_q:.3g}，ξ_c = {xi_c:.3g}，ξ_∇ = {xi_grad:.3g} 层；"
        "大约到 {times} ξ_c = {layers:.3g} 层还训练得动"
    ),
    "depth scales: xi_q = {xi_q:.3g}, xi_c = {xi_c:.3g}, xi_grad = {xi_grad:.3g} layers; xi_c sets no bound on the "
    "depth": "深度尺度：ξ_q = {xi_q:.3g}，ξ_c = {xi_c:.3g}，ξ_∇ = {xi_grad:.3g} 层；ξ_c 对深度没有限制",
    "delta shrinks by a factor of e within {layers:.3g} layers on its way back": "δ 每往回 {layers:.3g} 层就缩小到 1/e",
    "delta keeps its size on its way back": "δ 在往回的途中大小不变",
    "delta grows by a factor of e within {layers:.3g} layers on its way back": "δ 每往回 {layers:.3g} 层就放大到 e 倍",
    "examples stay as alike as they are": "各样本之间的相似程度保持不变",
    "examples become alike, but only as a power of depth": "各样本越来越相似，但只按深度的幂次",
    "examples become alike: their correlation's distance to 1 falls e-fold within {layers:.3g} layers": (
        "各样本越来越相似：相关系数与 1 的距离每 {layers:.3g} 层缩小到 1/e"
    ),
    "examples come to a correlation of {c:.3g}: their distance to it falls e-fold within {layers:.3g} layers": (
        "各样本的相关系数趋于 {c:.3g}：与它的距离每 {layers:.3g} 层缩小到 1/e"
    ),
    # The learning rate
    "largest stable learning rate: {rate} (the linearised network diverges above it)": (
        "最大的稳定学习率：{rate}（高于它，线性化的网络就会发散）"
    ),
    "largest learning rate that is surely stable: {rate} (the linearised network cannot diverge below it)": (
        "确保稳定的最大学习率：{rate}（低于它，线性化的网络不会发散）"
    ),
}
