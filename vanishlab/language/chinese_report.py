"""The sentences of the report, in Chinese, but those that pictures or verdicts have too."""

REPORT: dict[str, str] = {
    # The top of the page
    "vanishlab report": "vanishlab 报告",
    "Skip to the content": "跳到正文",
    "Contents": "目录",
    "{networks} network": "{networks} 个网络",
    "{networks} networks": "{networks} 个网络",
    "{networks} networks: {names}": "{networks} 个网络：{names}",
    "{runs} run": "{runs} 次运行",
    "{runs} runs": "{runs} 次运行",
    "{diverged} diverged": "{diverged} 次发散",
    "{verdict}: {runs} run": "{verdict}：{runs} 次运行",
    "{verdict}: {runs} runs": "{verdict}：{runs} 次运行",
    # The answer
    "Compared were {networks} networks at {rates} learning rates, {runs} runs in all.": (
        "比较了 {networks} 个网络、{rates} 个学习率，共 {runs} 次运行。"
    ),
    "Compared were {networks} networks at one learning rate, {runs} runs in all.": (
        "比较了 {networks} 个网络，学习率只有一个，共 {runs} 次运行。"
    ),
    "{network}: trained at {rates} learning rates, {runs} runs in all.": (
        "{network}：用 {rates} 个学习率训练，共 {runs} 次运行。"
    ),
    "{network}: trained at learning rate {rate}.": "{network}：以学习率 {rate} 训练。",
    "{network}: what was recorded of its training.": "{network}：训练过程的记录。",
    "The best is {name}, at learning rate {rate}: it ends at a loss of {loss:.3g}.": (
        "最好的是 {name}（学习率 {rate}）：结束时损失为 {loss:.3g}。"
    ),
    "The best is {name}, at learning rate {rate}: it ends at a test accuracy of {accuracy:.2f}.": (
        "最好的是 {name}（学习率 {rate}）：结束时测试准确率为 {accuracy:.2f}。"
    ),
    "The best is {name}, at learning rate {rate}: it ends at a training accuracy of {accuracy:.2f}.": (
        "最好的是 {name}（学习率 {rate}）：结束时训练准确率为 {accuracy:.2f}。"
    ),
    "The best is {name}: it ends at a loss of {loss:.3g}.": "最好的是{name}：结束时损失为 {loss:.3g}。",
    "The best is {name}: it ends at a test accuracy of {accuracy:.2f}.": (
        "最好的是{name}：结束时测试准确率为 {accuracy:.2f}。"
    ),
    "The best is {name}: it ends at a training accuracy of {accuracy:.2f}.": (
        "最好的是{name}：结束时训练准确率为 {accuracy:.2f}。"
    ),
    "It ends at a loss of {loss:.3g}.": "结束时损失为 {loss:.3g}。",
    "It ends at a test accuracy of {accuracy:.2f}.": "结束时测试准确率为 {accuracy:.2f}。",
    "It ends at a training accuracy of {accuracy:.2f}.": "结束时训练准确率为 {accuracy:.2f}。",
    "All of them end alike, at a loss of {loss:.3g}.": "结束时彼此相差无几，损失为 {loss:.3g}。",
    "All of them end alike, at a test accuracy of {accuracy:.2f}.": (
        "结束时彼此相差无几，测试准确率为 {accuracy:.2f}。"
    ),
    "All of them end alike, at a training accuracy of {accuracy:.2f}.": (
        "结束时彼此相差无几，训练准确率为 {accuracy:.2f}。"
    ),
    "Every run diverged.": "每次运行都发散了。",
    "The worst is {name}: it diverged.": "最差的：{name}，发散了。",
    "The worst is {name}: no learning rate takes it beyond {accuracy:.2f}.": (
        "最差的是 {name}：哪个学习率都不能让它超过 {accuracy:.2f}。"
    ),
    "The worst is {name}, with {accuracy:.2f}.": "最差的：{name}，只有 {accuracy:.2f}。",
    "Before training the first layer gets {share} times the last layer's delta.": (
        "训练之前，首层得到的 δ 是末层的 {share} 倍。"
    ),
    "Before training the first layer gets {least} times the last layer's delta in {network}, and {most} times in "
    "{other}.": "训练之前，首层得到的 δ 在 {network} 中是末层的 {least} 倍，在 {other} 中是 {most} 倍。",
    "The first thing to change in {network} is {remedy}: {change}.": "{network} 首先可以改的是{remedy}：{change}。",
    "Who learns: {value} at the end": "谁学会了：结束时的{value}",
    "Who learns: {value} at the end ({shown} of {all}, evenly chosen)": (
        "谁学会了：结束时的{value}（{all} 个中均匀选出 {shown} 个）"
    ),
    "What reaches the first layer: delta before training, as a share of the last layer's": (
        "首层得到多少：训练之前的 δ，与末层之比"
    ),
    "What each layer is told before training: {quantity}": "训练之前各层得到的信号：{quantity}",
    "delta before training, first layer / last layer": "训练之前的 δ，首层 / 末层",
    "{value} (learning rate {rate})": "{value}（学习率 {rate}）",
    # Sections
    "What was run": "运行了什么",
    "Verdict": "诊断结论",
    "Side by side": "并排比较",
    "Maps": "参数图",
    "All runs": "全部运行",
    "Reproduce": "重现",
    "what it is": "结构",
    "setting": "设置",
    "learning rates": "学习率",
    "runs": "运行次数",
    "file": "文件",
    "in memory": "在内存中",
    "And {more} more, in the table of all runs.": "另有 {more} 个，见全部运行的表。",
    "Every setting": "全部设置",
    "What to change, the most promising first": "可以改动的地方，最有希望的排在前面",
    "The lines below each remedy change this network before it is trained. As a model it is made by:": (
        "每项下面的代码在训练之前改动该网络。作为模型，它由下面几行生成："
    ),
    "The lines for the rest are made from your model: {code}, or from the shell {command}.": (
        "其余各项的代码要由你的模型生成：{code}，或在终端运行 {command}。"
    ),
    "{first} to {last} ({values})": "{first} 至 {last}（{values} 个）",
    "{rate} ({got} of {of} seeds)": "{rate}（{of} 个随机种子中的 {got} 个）",
    "Of {networks} networks, {chosen} are looked at closely: those in which the first layer's share of the last "
    "layer's delta is, before training, the smallest, the median and the largest. All are in the table.": (
        "{networks} 个网络中细看 {chosen} 个：训练之前首层与末层的 δ 之比最小、居中和最大的。表中列出了全部网络。"
    ),
    "{whole}: {part}": "{whole}：{part}",
    "{field} {value}": "{field} {value}",
    # A network's chapter
    "The three curves {when}": "三条曲线，{when}",
    "The three curves before training, theory over measurement": "训练之前的三条曲线，理论预测叠在实测上",
    "Whether the gradient still says anything, {when}": "梯度是否还有内容，{when}",
    "A share near 0 is that of examples which have become one vector; a coherence of 1 is that of one voice.": (
        "份额接近 0，说明各样本已变成同一个向量；一致程度为 1，说明各样本的梯度众口一词。"
    ),
    "Over training": "训练过程中",
    "Loss and accuracy": "损失与准确率",
    "Against the learning rate, {when}": "随学习率的变化，{when}",
    "Layer by step": "层 × 步",
    "The run with the lowest loss at the end: learning rate {rate}.": "结束时损失最低的运行：学习率 {rate}。",
    "The run with the lowest loss at the end: learning rate {rate}, seed {seed}.": (
        "结束时损失最低的运行：学习率 {rate}，随机种子 {seed}。"
    ),
    "Side by side: {quantity}, {when}": "并排比较：{quantity}，{when}",
    "All have one vertical axis.": "各图的纵轴相同。",
    "Key to the pictures: {labels}.": "图例：{labels}。",
    "Key to the pictures: {title}: {labels}.": "图例：{title}：{labels}。",
    "Key to the maps: {entries}.": "参数图的图例：{entries}。",
    # The player
    "The dashed line is theory's, of step 0.": "虚线是理论对第 0 步的预测。",
    "Marks on the strip at the bottom are zeros and underflows; at the top, infinities.": (
        "底部窄条上的记号是零和下溢，顶部的是无穷大。"
    ),
    "Play": "播放",
    "Pause": "暂停",
    "step": "步",
    "step {step}": "第 {step} 步",
    "Play the training steps of {network}": "播放 {network} 的训练过程",
    "This picture moves only where scripts are allowed to run.": "只有允许运行脚本时，这幅图才会动。",
    "value": "数值",
    "Thinned to keep this file small: {steps} of {of steps} recorded steps; the record has them all.": (
        "为了让文件小一些，只取了 {of steps} 个记录步中的 {steps} 个；记录里全都有。"
    ),
    "Thinned to keep this file small: {rates} of {of rates} learning rates; the record has them all.": (
        "为了让文件小一些，只取了 {of rates} 个学习率中的 {rates} 个；记录里全都有。"
    ),
    "Thinned to keep this file small: {steps} of {of steps} recorded steps and {rates} of {of rates} learning rates; "
    "the record has them all.": (
        "为了让文件小一些，"
        "只取了 {of steps} 个记录步中的 {steps} 个、{of rates} 个学习率中的 {rates} 个；记录里全都有。"
    ),
    # Theory
    "Theory is left out: {why}.": "没有理论预测：{why}。",
    "it knows the networks of this lab, and this is a model of your own": (
        "理论只认识本实验室的网络，而这是你自己的模型"
    ),
    "it is of step 0, which was not recorded": "理论预测的是第 0 步，而第 0 步没有记录",
    "the record does not say how many examples it was trained on": "记录里没有写明用多少样本训练",
    "the data {name!r} cannot be had by name without fetching anything": "数据 {name!r} 不下载就无法按名称取得",
    "{data} has {found} examples here, the record saw {examples} a step": (
        "这里的 {data} 有 {found} 个样本，而记录中每步用了 {examples} 个"
    ),
    "Theory is predicted from the config and {taken} examples of {data}; it never saw a weight.": (
        "理论只根据配置和 {data} 的 {taken} 个样本作出预测，没有看过任何权重。"
    ),
    "Theory is predicted from the config and {taken} examples of {data}; it never saw a weight. The networks saw "
    "{examples}: all would take long, and a larger batch has a smaller gradient norm.": (
        "理论只根据配置和 {data} 的 {taken} 个样本作出预测，没有看过任何权重。网络用了 {examples} 个样本："
        "全部都算太费时间，而批次越大，梯度范数越小。"
    ),
    # Maps
    "training accuracy at the end": "结束时的训练准确率",
    "delta, first layer over last, before training": "训练之前首层与末层的 δ 之比",
    "delta, first layer over last": "首层与末层的 δ 之比",
    "Each cell is the median over seeds.": "每一格是各随机种子的中位数。",
    "Each cell is the median over seeds and over {others}.": "每一格是对各随机种子以及各个{others}取的中位数。",
    "Map of {name}, {rows} values of {y} by {columns} of {x}": "{name}的参数图，{rows} 个{y} × {columns} 个{x}",
    "{picture}: no value in any cell.": "{picture}：每一格都没有数值。",
    "{picture}: {found}.": "{picture}：{found}。",
    "lowest {value} at {y} {at y}, {x} {at x}": "最低 {value}，在{y} {at y}、{x} {at x} 处",
    "highest {value} at {y} {at y}, {x} {at x}": "最高 {value}，在{y} {at y}、{x} {at x} 处",
    "in {gone} cells all runs diverged": "有 {gone} 格的运行全部发散",
    # What pictures show, in words
    "no value": "没有数值",
    "{some} ({shown} of {all})": "{some}（{all} 项中的 {shown} 项）",
    "{rate:g}: {value}": "{rate:g}：{value}",
    "{lost} diverged": "{lost} 次发散",
    "learning rate {rate}: {first} and {last}": "学习率 {rate}：{first} 和 {last}",
    "learning rate {rate}: {first} to {last}": "学习率 {rate}：从 {first} 到 {last}",
    "learning rate {rate}: no value": "学习率 {rate}：没有数值",
    "learning rate {rate}: {first} to {last}, and {readout first} to {readout last}": (
        "学习率 {rate}：从 {first} 到 {last}，以及从 {readout first} 到 {readout last}"
    ),
    "{name} against the layer {when}: measured {first} at layer {first layer} and {last} at layer {last layer}, by "
    "theory {first by theory} and {last by theory}.": (
        "{name}随层的变化，{when}：实测第 {first layer} 层为 {first}，第 {last layer} 层为 {last}；"
        "理论为 {first by theory} 和 {last by theory}。"
    ),
    "{name} against the layer {when}, at layer {first layer} and at layer {last layer}. {some}.": (
        "{name}随层的变化，{when}，第 {first layer} 层和第 {last layer} 层。{some}。"
    ),
    "{what} from step {first} to step {last}. {some}.": "{what}，从第 {first} 步到第 {last} 步。{some}。",
    "Training loss at the end against the learning rate. {some}.": "结束时的训练损失随学习率的变化。{some}。",
    "Delta RMS and gradient norm of the first layer over the last, at the end. Delta: {some}.": (
        "结束时首层与末层的 δ 之比和梯度范数之比。δ：{some}。"
    ),
    "{name} of {layers} layers at {steps} steps, learning rate {rate}": (
        "{name}，{layers} 层，{steps} 步，学习率 {rate}"
    ),
    "{picture}: no value greater than zero.": "{picture}：没有大于零的数值。",
    "lowest {value:.3g} in layer {layer} at step {step}": "最低 {value:.3g}，在第 {layer} 层第 {step} 步",
    "highest {value:.3g} in layer {layer} at step {step}": "最高 {value:.3g}，在第 {layer} 层第 {step} 步",
    "{zeros} cells are zero": "{zeros} 格为零",
    "{title} against the layer, moving from step {first} to step {last}; at layer {first layer}, and at layer "
    "{last layer}. {some}.": (
        "{title}随层的变化，从第 {first} 步到第 {last} 步；第 {first layer} 层，以及第 {last layer} 层。{some}。"
    ),
    "{title} against the layer, moving from step {first} to step {last}; at layer {first layer}, and at layer "
    "{last layer}. {some}. {marks} marks stand for zeros and infinities.": (
        "{title}随层的变化，从第 {first} 步到第 {last} 步；第 {first layer} 层，以及第 {last layer} 层。{some}。"
        "{marks} 个记号代表零和无穷大。"
    ),
    # The table of all runs
    "Press a column's name to sort by it.": "点列名即可按该列排序。",
    "Press a column's name to sort by it; the first {shown} runs. {more} more are in the files.": (
        "点列名即可按该列排序；这里是前 {shown} 次运行，另有 {more} 次在文件里。"
    ),
    "All runs, one a row": "全部运行，每行一次",
    "seed": "随机种子",
    "loss at end": "结束时的损失",
    "first/last delta at start": "训练前首层与末层的 δ 之比",
    "at end": "结束时",
    "diverged at step": "发散于第几步",
    # How to make it again
    "From the shell": "命令行",
    "{network}: train it again": "{network}：重新训练",
    "Paths begin in the folder where this was written; of a file elsewhere only the name is told. This file was "
    "written by": "路径从写出本文件时所在的文件夹算起；别处的文件只写名称。本文件由下面的命令写出：",
    "and is written again from the records by": "用下面的命令可以从记录重新写出：",
    "Every picture has its own command beneath it. Step k is the state after k updates; layer 1 is nearest the input, "
    "the last is the readout. Curves are medians over seeds, bands their range.": (
        "每幅图下面都有画出它的命令。第 k 步是更新 k 次之后的状态；第 1 层最靠近输入，末层是输出层。"
        "曲线是各随机种子的中位数，色带是它们的范围。"
    ),
    "the record was handed over in memory: save it first, {code}": "记录是直接从内存交来的，请先保存：{code}",
    "the code around your own model made this record; see {file}": "这个记录由你自己模型周围的代码产生，参见 {file}",
    "the data {data!r} must be given by the path of its .npz file": "数据 {data!r} 要用它的 .npz 文件的路径给出",
    # Settings and facts
    "seeds": "随机种子",
    "schedule": "学习率调度",
    "warmup steps": "预热步数",
    "momentum": "动量",
    "clip norm": "裁剪范数",
    "normalize gradients": "逐层归一化梯度",
    "record every": "记录间隔",
    "evaluate every": "测试间隔",
    "sharpness every": "锐度测量间隔",
    "optimizer": "优化器",
    "engine": "训练引擎",
    "device": "设备",
    "skipped steps": "跳过的步数",
    # Values of settings, with what is typed behind them
    "{word} ({typed})": "{word}（{typed}）",
    "PyTorch's default": "PyTorch 默认",
    "Xavier's, uniform": "Xavier 均匀分布",
    "Xavier's, normal": "Xavier 正态分布",
    "Kaiming's, uniform": "Kaiming 均匀分布",
    "Kaiming's, normal": "Kaiming 正态分布",
    "LeCun's, normal": "LeCun 正态分布",
    "single precision": "单精度",
    "double precision": "双精度",
    "constant": "恒定",
    "linear warm-up": "线性预热",
    "cosine": "余弦",
    "evenly in the logarithm": "按对数均匀",
    "never": "从不",
    "automatic": "自动",
    "processor": "处理器",
    "graphics card": "显卡",
    "gradient descent": "梯度下降",
    "Adam": "Adam",
    "automatic differentiation": "自动微分",
    "compiled passes": "编译版本",
}
