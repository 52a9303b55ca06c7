"""What is refused, in Chinese, by the form of the English sentence; names of fields and flags stay as they are."""

REFUSALS: dict[str, str] = {
    # Numbers, names and lists
    "{field} must be one of {options}, got {value}": "{field} 必须是 {options} 之一，而不是 {value}",
    "{field} must be a whole number, got {value}": "{field} 必须是整数，而不是 {value}",
    "{field} must be at least {least}, got {value}": "{field} 必须至少为 {least}，而不是 {value}",
    "{field} must be at most {most}, got {value}": "{field} 必须至多为 {most}，而不是 {value}",
    "{field} must be a number, got {value}": "{field} 必须是数，而不是 {value}",
    "{field} must be finite, got a number beyond float64": "{field} 必须有限，而这个数超出了 float64 的范围",
    "{field} must be finite, got {value}": "{field} 必须有限，而不是 {value}",
    "{field} must be greater than {bound}, got {value}": "{field} 必须大于 {bound}，而不是 {value}",
    "{field} must be less than {bound}, got {value}": "{field} 必须小于 {bound}，而不是 {value}",
    "{field} must be an array of numbers ({reason})": "{field} 必须是数的数组（{reason}）",
    "{field} must hold numbers, got dtype {dtype}": "{field} 必须由数组成，而类型是 {dtype}",
    "{field} must be a list of numbers, got {value}": "{field} 必须是一列数，而不是 {value}",
    "{field} must be a list of numbers that rise, got {value}": "{field} 必须是一列递增的数，而不是 {value}",
    "{field} must name at least one value, got an empty list": "{field} 至少要有一个值，而列表是空的",
    "{field} must name at least one {what}, got none": "{field} 至少要有一项，而一项也没有",
    "{field} must have at least one value, got none": "{field} 至少要有一个值，而一个也没有",
    "{field} must not repeat a value, got {value} twice": "{field} 的值不能重复，而 {value} 出现了两次",
    "{kind} has no field {name}": "{kind} 没有字段 {name}",
    # Configs
    "sigma_w and sigma_b apply to initialization 'gaussian' or 'orthogonal' only, got {values} with {initialization}": (
        "sigma_w 和 sigma_b 只对 initialization 'gaussian' 或 'orthogonal' 有效，"
        "而现在是 {values}，initialization 为 {initialization}"
    ),
    "residual needs hidden layers of one width, got width={widths}": (
        "residual 要求各隐藏层宽度相同，而现在 width={widths}"
    ),
    "width must be one number or one per hidden layer (depth={depth}), got {count} numbers": (
        "width 必须是一个数，或每个隐藏层一个数（depth={depth}），而现在有 {count} 个数"
    ),
    "warmup_steps must be at least 1 with schedule 'linear_warmup', got 0": (
        "schedule 为 'linear_warmup' 时 warmup_steps 必须至少为 1，而不是 0"
    ),
    "warmup_steps needs schedule 'linear_warmup' or 'cosine', got {steps}": (
        "warmup_steps 只用于 schedule 'linear_warmup' 或 'cosine'，而现在是 {steps}"
    ),
    "momentum needs optimizer 'descent' ('adam' has its own), got {momentum}": (
        "momentum 只用于 optimizer 'descent'（'adam' 有自己的动量），而现在是 {momentum}"
    ),
    "clip_norm and normalize_gradients exclude each other, got both": (
        "clip_norm 与 normalize_gradients 不能同时使用，而现在两者都给了"
    ),
    "normalize_gradients must be true or false, got {value}": (
        "normalize_gradients 必须是 true 或 false，而不是 {value}"
    ),
    "device must be a name, got {value}": "device 必须是名称，而不是 {value}",
    "device must be one that torch can use here, got {device} ({reason})": (
        "device 必须是 torch 在这里能用的设备，而不是 {device}（{reason}）"
    ),
    # Data
    "data {name} is not on this machine and could not be fetched from OpenML ({reason}); connect once to let it be "
    "cached, or put {file} with {arrays} into a folder and name that folder in {variable}": (
        "本机没有数据 {name}，从 OpenML 也取不到（{reason}）；请联网一次，让它缓存下来，"
        "或者把含有 {arrays} 的 {file} 放进一个文件夹，并用 {variable} 指明这个文件夹"
    ),
    "data file must exist, got {path}": "数据文件必须存在，而 {path} 不存在",
    "data file must be a readable .npz, got {path} ({reason})": (
        "数据文件必须是可以读取的 .npz，而不是 {path}（{reason}）"
    ),
    "data file {path} must hold {arrays}, lacks {missing}": "数据文件 {path} 必须含有 {arrays}，现在缺少 {missing}",
    "{field} must have axes (n, features), got shape {shape}": "{field} 的轴必须是（样本，特征），而形状是 {shape}",
    "{field} must have shape {wanted} to match {other}, got {shape}": (
        "{field} 的形状必须是 {wanted}，才能与 {other} 相配，而不是 {shape}"
    ),
    "{field} must not be empty, got shape {shape}": "{field} 不能为空，而形状是 {shape}",
    "{field} must be finite, got {value} at example {row}, feature {column}": (
        "{field} 必须有限，而第 {row} 个样本的第 {column} 个特征是 {value}"
    ),
    "{field} must be class numbers, got {value}": "{field} 必须是类别编号，而不是 {value}",
    "{field} must be class numbers from 0, got {value}": "{field} 必须是从 0 开始的类别编号，而不是 {value}",
    "{field} must be class numbers up to {most}, got {value}": (
        "{field} 必须是不超过 {most} 的类别编号，而不是 {value}"
    ),
    "{field} must be class numbers from 0 to {last}, got {value}": (
        "{field} 必须是 0 到 {last} 的类别编号，而不是 {value}"
    ),
    "x_test and y_test must be given together, got one of them": "x_test 与 y_test 必须一起给出，而现在只有一个",
    "x_test must have the {features} features of x, got {found} (shape {shape})": (
        "x_test 必须与 x 一样有 {features} 个特征，而不是 {found} 个（形状 {shape}）"
    ),
    # Files and folders
    "{damaged} is damaged": "{damaged} 已损坏",
    "out must be a folder that can be written to, got {path} ({reason})": (
        "out 必须是可以写入的文件夹，而不是 {path}（{reason}）"
    ),
    "out must be a folder that can be written to, got {path} ({reason}); every chunk that was finished before is kept "
    "there": "out 必须是可以写入的文件夹，而不是 {path}（{reason}）；此前完成的每一块都还在那里",
    "out must be a folder where {name} is a regular file, got {path} ({kind})": (
        "out 文件夹里的 {name} 必须是普通文件，而 {path} 不是（{kind}）"
    ),
    "out must be a folder where failures is a folder, got {path} (a file)": (
        "out 文件夹里的 failures 必须是文件夹，而 {path} 是文件"
    ),
    "out must be the name of a file, got the folder {path}": "out 必须是文件名，而 {path} 是文件夹",
    "out must be a file that can be written, got {path} ({reason})": (
        "out 必须是可以写入的文件，而不是 {path}（{reason}）"
    ),
    "folder of a file to be written must exist, got {path}": "要写入的文件所在的文件夹必须存在，而 {path} 不存在",
    "{field} must be a regular file, got {path} ({kind})": "{field} 必须是普通文件，而 {path} 不是（{kind}）",
    "it is no regular file ({kind})": "它不是普通文件（{kind}）",
    "{path} must have room to be written to, got {reason}": "{path} 必须有写入的空间，而现在：{reason}",
    # Records and sweeps
    "record file must exist, got {path}": "记录文件必须存在，而 {path} 不存在",
    "record file must be a whole vanishlab record, got {path} ({reason})": (
        "记录文件必须是完整的 vanishlab 记录，而不是 {path}（{reason}）"
    ),
    "record file must be a chunk of a sweep, got {path} ({reason})": (
        "记录文件必须是参数扫描中的一块，而不是 {path}（{reason}）"
    ),
    "folder of a sweep must hold finished chunks, got {path}": "参数扫描的文件夹里必须有已完成的块，而 {path} 里没有",
    "the record holds no steps": "记录中没有任何一步",
    "no run has all of {labels}": "没有哪次运行同时满足 {labels}",
    "no run has all of {labels}; there are {known}": "没有哪次运行同时满足 {labels}；现有的是 {known}",
    "record must hold at least one recorded step and layer, got none in {where}": (
        "记录中至少要有一步和一层，而 {where} 里没有"
    ),
    "record must hold at least one {axis}, got none": "记录中至少要有一个 {axis}，而一个也没有",
    "records must name at least one file, got none": "至少要给出一个记录文件，而一个也没有",
    "records must have names of their own, got {name} twice": "各记录的名称不能相同，而 {name} 出现了两次",
    "report needs at least one record file or folder, got none": "报告至少需要一个记录文件或文件夹，而一个也没有",
    "folder must hold record files (.npz) or a sweep's chunks, got {path}": (
        "文件夹里必须有记录文件（.npz）或参数扫描的块，而 {path} 里没有"
    ),
    "path must be a record file or a folder that exists, got {path}": (
        "路径必须是存在的记录文件或文件夹，而 {path} 不存在"
    ),
    # What has to be installed or free
    "{user} needs {package}: pip install {extra}": "{user} 需要 {package}：pip install {extra}",
    "language 'zh' needs a font with Chinese characters, and matplotlib finds none here: {ways}": (
        "language 'zh' 需要一种含汉字的字体，而 matplotlib 在这里一种也没找到：{ways}"
    ),
    "dask must be the address of a scheduler, got {address} ({reason})": (
        "dask 必须是调度器的地址，而不是 {address}（{reason}）"
    ),
    "host must be an address or a name of this machine, got ''": "host 必须是本机的地址或名称，而不是 ''",
    "port must be free on {host}, got {port} ({reason}); name another with --port": (
        "{host} 上的端口必须空闲，而 {port} 不行（{reason}）；请用 --port 另选一个"
    ),
    "this machine has not enough memory for that": "本机的内存不够",
    "memory must hold {runs} network{s} and what is recorded of them, about {need} GB, got {free} GB free; {advice} "
    "need less": (
        "内存必须容得下 {runs} 个网络及其记录，约 {need} GB，而现在空闲 {free} GB；"
        "减小网络或少记录几步可以少用一些（{advice}）"
    ),
    "memory must hold {workers} chunk{s} of about {need} GB side by side, got {free} GB free; fewer workers, a smaller "
    "chunk_runs, or a larger record_every need less": (
        "内存必须同时容得下 {workers} 块，每块约 {need} GB，而现在空闲 {free} GB；"
        "减少 workers、减小 chunk_runs 或增大 record_every 可以少用一些"
    ),
    "depth, width and examples must need at most {most} GB of memory in one session, got {depth}, {width} and "
    "{examples}, about {need} GB": (
        "一个会话里，深度、宽度和样本数至多只能用 {most} GB 内存，而 {depth}、{width} 和 {examples} 约需 {need} GB"
    ),
    "depth and examples must need at most {most} GB of memory in one session, got {depth} and {examples}, about "
    "{need} GB": "一个会话里，深度和样本数至多只能用 {most} GB 内存，而 {depth} 和 {examples} 约需 {need} GB",
    # Training
    "batch_size must be at most the {examples} training examples, got {size}": (
        "batch_size 至多为训练样本数 {examples}，而不是 {size}"
    ),
    "batch_size must be at least 2 with normalization 'batch', got 1": (
        "normalization 为 'batch' 时 batch_size 必须至少为 2，而不是 1"
    ),
    "batch_size must leave no last batch of 1 of {examples} examples with normalization 'batch', got {size}": (
        "normalization 为 'batch' 时，batch_size 不能让 {examples} 个样本的最后一批只剩 1 个，而 {size} 会这样"
    ),
    "model must be an MLP of {network} with {runs} runs, got {config} with {found} runs": (
        "模型必须是 {network}、{runs} 次运行的 MLP，而不是 {config}、{found} 次运行"
    ),
    "model must take {features} features and {classes} classes for data {data}, got {found} and {others}": (
        "对于数据 {data}，模型必须接受 {features} 个特征和 {classes} 个类别，而不是 {found} 和 {others}"
    ),
    # Theory
    "data must have at most {most} examples (or give max_examples), got {examples}": (
        "样本数必须至多为 {most}（或给出 max_examples），而不是 {examples}"
    ),
    "data must have at least 3 examples with normalization 'batch', got {examples}: two become +1 and -1 in every "
    "unit, and only the few whose two pre-activations differ by some 1e-3 pass a gradient on": (
        "normalization 为 'batch' 时至少要有 3 个样本，而不是 {examples} 个：两个样本在每个单元里都成了 +1 和 -1，"
        "只有少数两个预激活值仅相差约 1e-3 的单元才传递梯度"
    ),
    "predict cannot follow normalization 'batch' through this network, its numbers leave float64 ({reason})": (
        "理论无法在这个网络中逐层推算批归一化，数值超出了 float64 的范围（{reason}）"
    ),
    "predict loses the gradient of layer {layer} in rounding: behind {layers} layers of normalization 'batch' the "
    "deltas hardly overlap with what the inputs span; use fewer": (
        "第 {layer} 层的梯度在舍入误差中丢失：隔着 {layers} 个批归一化层，δ 与输入张成的空间几乎不重叠；请减少层数"
    ),
    "data.x must be zero or of a largest size from {low} to {high}, got {size}": (
        "输入必须全为零，或者最大绝对值在 {low} 到 {high} 之间，而不是 {size}"
    ),
    "variance of {activation}'s input must be at most {most}, got {q}: the pre-activations grow out of the range of "
    "its kernels": "{activation} 的输入方差必须至多为 {most}，而不是 {q}：预激活值增长到了核函数的范围之外",
    "mean field needs hidden layers of one width, got width={widths}": (
        "平均场理论要求各隐藏层宽度相同，而现在 width={widths}"
    ),
    "mean field needs plain layers (normalization 'none', residual 'none'), got {normalization} and {residual}; "
    "predict(network, data) covers more": (
        "平均场理论只适用于普通的层（normalization 'none'，residual 'none'），"
        "而现在是 {normalization} 和 {residual}；predict(network, data) 适用范围更广"
    ),
    "{activation} has no critical point at sigma_b={sigma_b}: {rest}": (
        "{activation} 在 σ_b = {sigma_b} 处没有临界点（{rest}）"
    ),
    "length map of {activation} at sigma_w={sigma_w}, sigma_b={sigma_b} has no fixed point above q = {start}: the "
    "variance grows without bound (at q = {last} by the factor {factor} a layer)": (
        "{activation} 在 σ_w = {sigma_w}、σ_b = {sigma_b} 处的长度映射在 q = {start} 以上没有不动点：方差无界增长"
        "（在 q = {last} 处每层乘以 {factor}）"
    ),
    "every variance is a fixed point of {activation} at sigma_w={sigma_w}, sigma_b=0": (
        "对于 {activation}，在 σ_w = {sigma_w}、σ_b = 0 处，任何方差都是不动点"
    ),
    "length map of {activation} at sigma_w={sigma_w}, sigma_b={sigma_b} has no fixed point: the variance grows without "
    "bound, by the factor {gain} a layer (plus sigma_b^2)": (
        "{activation} 在 σ_w = {sigma_w}、σ_b = {sigma_b} 处的长度映射没有不动点：方差无界增长，"
        "每层乘以 {gain}（再加 σ_b²）"
    ),
    "{what} did not converge in {iterations} iterations: last residual {residual}": (
        "{what} 迭代 {iterations} 次仍未收敛：最后的残差为 {residual}"
    ),
    "kernel of {activation} did not converge at log q from {low} to {high}: {terms} Chebyshev terms in theta leave "
    "{rest}": "{activation} 的核函数在 log q 从 {low} 到 {high} 处未收敛：θ 的 {terms} 个切比雪夫项仍剩 {rest}",
    "c must be a correlation from -1 to 1, got {value}": "c 必须是 -1 到 1 之间的相关系数，而不是 {value}",
    "q must be a variance from 0 to {most}, got {value}": "q 必须是 0 到 {most} 之间的方差，而不是 {value}",
    # The command line
    "interrupted": "已中断",
    "{field} must be of the form that --help shows, got {value}": (
        "{field} 必须写成 --help 所示的形式，而不是 {value}"
    ),
    "{field} must have a value, got none": "{field} 必须有一个值，而现在没有",
    "Unrecognized options: {flags}": "不认识的选项：{flags}",
    "config must be a TOML file, got {path} ({reason})": "config 必须是 TOML 文件，而不是 {path}（{reason}）",
    "config {path}: {why}": "config {path}：{why}",
    "{name} must be a table, {table}, got {value}": "{name} 必须是表 {table}，而不是 {value}",
    "data must be a name or a path, got {value}": "data 必须是名称或路径，而不是 {value}",
    # One's own code
    "factory must be of the form PACKAGE.MODULE:FACTORY, got {name}": (
        "factory 必须形如 PACKAGE.MODULE:FACTORY，而不是 {name}"
    ),
    "factory must name a module that can be imported, got {module} ({reason})": (
        "factory 必须指明可以导入的模块，而不是 {module}（{reason}）"
    ),
    "factory must be a function of {module}, got {function}": "factory 必须是 {module} 里的函数，而不是 {function}",
    "{name} must return {what}, got {value}": "{name} 必须返回 {what}，而不是 {value}",
    "{module} must be imported without an exit, got {stop}": "导入 {module} 时不能退出进程，而现在：{stop}",
    "{source} must give a batch that the model and {loss} take, got {batch} ({reason})": (
        "{source} 必须给出模型和 {loss} 能接受的批次，而不是 {batch}（{reason}）"
    ),
    "batch must be an .npz file that exists, got {path}": "batch 必须是存在的 .npz 文件，而 {path} 不存在",
    "batch must hold arrays x and y, got {path} ({reason})": "batch 必须含有数组 x 和 y，而 {path} 不是（{reason}）",
    "loss_fn must return one number as a tensor, got {value}": "loss_fn 必须以张量返回一个数，而不是 {value}",
    "model must be an nn.Module of Python, not TorchScript, which calls no hook of the modules inside it, got {model}: "
    "record the one that it was made from": (
        "模型必须是 Python 的 nn.Module，而不是 TorchScript（它不调用内部模块的钩子）：{model}；请记录它的原模型"
    ),
    "model must have a layer with a weight of two or more axes, got {model}": (
        "模型里至少要有一层，其权重有两个或更多的轴，而 {model} 没有"
    ),
    "model must have been called once before it is recorded, {name} is not initialised yet": (
        "模型在记录之前必须先调用一次，{name} 还没有初始化"
    ),
    # Why a remedy was not tried
    "where a layer should be called, or the graph joined, only you know": "该在哪里调用这一层、接上计算图，只有你知道",
    "a recurrent cell of another kind is another model": "换一种循环单元就是另一个模型了",
    "where a slope is infinite, only you know what should stand": "斜率无穷大的地方该换成什么，只有你知道",
    "what should stand for a step function, only you know": "阶跃函数该换成什么，只有你知道",
    "where the model keeps its weights is a matter of its code": "模型把权重放在哪里，是它代码的事",
    "which of the shapes is meant, only you know": "该用哪一种形状，只有你知道",
    "whether the model should end before, only you know": "模型是否该在那之前结束，只有你知道",
    "the batches are taken as they are given": "批次按给出的样子使用",
    "how much smaller, what they are given must say": "该减小多少，要看它们的输入",
    "what should stand in the data, only you know": "数据里本该是什么，只有你知道",
    "what was there before they broke, only you know": "损坏之前的权重是什么，只有你知道",
    "training in a trial makes them anew by itself": "试验中的训练会自行重新估计它们",
    "here the optimizer holds every parameter that asks for a gradient": "这里的优化器包含所有要求梯度的参数",
    "build_model must draw other weights for each seed, got the same for seeds {seeds}: it may set a seed of its own, "
    "and the range over seeds says nothing": (
        "build_model 必须为每个随机种子抽取不同的权重，而种子 {seeds} 的权重相同：它可能自己设了种子，"
        "那么各种子之间的范围就没有意义"
    ),
    "it has no linear or convolutional layer": "其中没有线性层或卷积层",
    "the weight of {layer} is made by torch.nn.utils.weight_norm, which torch gives up: where "
    "torch.nn.utils.parametrizations.weight_norm makes it, it can be drawn": (
        "{layer} 的权重由 torch.nn.utils.weight_norm 算出，而 torch 已弃用它：改用 "
        "torch.nn.utils.parametrizations.weight_norm 后即可重新抽取"
    ),
    "the weight of {layer} is made of other parameters": "{layer} 的权重由别的参数算出",
    "{layer} has no shape before its first batch": "{layer} 在第一个批次之前没有形状",
    "its activations are functions, not modules": "它的激活函数是函数，不是模块",
    "its activations are {name} already": "它的激活函数已经是 {name}",
    "its forward fails then ({reason})": "改动后它的 forward 会出错（{reason}）",
    "the weight of {layer} does not take any values: its parametrisation is {kinds}": (
        "{layer} 的权重不接受任意值：它的参数化是 {kinds}"
    ),
    "{attribute} holds {layer} too, and forward may call that one": (
        "{attribute} 也持有 {layer}，而 forward 调用的可能是那一个"
    ),
    "model must be one that copy.deepcopy can copy, got a {kind} that it cannot ({reason})": (
        "model 必须能由 copy.deepcopy 复制，而这个 {kind} 不能（{reason}）"
    ),
    "it is normalised already": "它已经有归一化",
    "no linear or convolutional layer is followed by an activation": "没有哪个线性层或卷积层后面跟着激活函数",
    "no nn.Sequential holds a layer of equal width followed by its activation": (
        "没有哪个 nn.Sequential 里有输入输出等宽、后面跟着激活函数的层"
    ),
    "engine 'fused' {why}; 'auto' takes it where it can": "engine 'fused' {why}；设为 'auto' 则在可用时采用",
    (
        "engine 'fused' must get a model without hooks and frozen parameters, of its config's dtype; 'auto' takes any"
    ): "engine 'fused' 要求模型没有钩子和冻结的参数，dtype 与其设置一致；'auto' 没有这些要求",
    "does not know {name}, got {other}": "不支持 {name}，而这里是 {other}",
    "computes on the CPU, got device {device}": "只在 CPU 上计算，而 device 是 {device}",
    "compiled must not be True for a stack of the lab's own networks, got True": (
        "compiled 不能为 True，因为这是本实验室自己的网络叠成的一组，而这里是 True"
    ),
    "compiled needs numba: pip install 'vanishlab[fast]'": "compiled 需要 numba：pip install 'vanishlab[fast]'",
    "needs numba: pip install 'vanishlab[fast]'": "需要 numba：pip install 'vanishlab[fast]'",
    "has no compiled form of activation {name}": "没有激活函数 {name} 的编译形式",
    "nothing is frozen": "没有被冻结的参数",
    "it computes in float32 or float64": "它本来就用 float32 或 float64 计算",
    "optimizer must be a class of optimizers or a function that makes one, got {value}": (
        "optimizer 应是优化器的类或生成优化器的函数，而这里是 {value}"
    ),
    "optimizer must make a torch.optim.Optimizer from parameters and lr, got {kind}": (
        "optimizer 应由参数和 lr 生成一个 torch.optim.Optimizer，而这里得到 {kind}"
    ),
    "what an update will be is known of plain gradient descent alone": "只有普通梯度下降才能预知一次更新有多大",
    "no layer has both weights and a gradient": "没有哪一层既有权重又有梯度",
}
