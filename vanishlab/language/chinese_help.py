"""The help of commands and experiments, in Chinese: what stands in their docstrings and beneath their fields."""

from vanishlab.data import DATA_NAMES

HELP: dict[str, str] = {
    # What tyro adds
    "usage: ": "用法：",
    "options": "选项",
    "network options": "网络选项",
    "training options": "训练选项",
    "grid options": "组合选项",
    "subcommands": "子命令",
    "positional arguments": "位置参数",
    "(required)": "（必需）",
    "(default: {value})": "（默认：{value}）",
    "show this help message and exit": "显示本帮助并退出",
    "Language of what is drawn and printed: English or Chinese.": "图和文字的语言：英文或中文。",
    # vanishlab
    "A lab for the vanishing-gradient problem: train deep MLPs, look at every layer, predict it beforehand. "
    "`vanishlab --version` prints the version.": (
        "研究梯度消失问题的实验室：训练深层多层感知机，查看每一层，并在训练之前作出预测。"
        "`vanishlab --version` 打印版本。"
    ),
    "Train one network per learning rate and seed, record every layer, and draw what was recorded.": (
        "对每个学习率和随机种子训练一个网络，记录每一层，并把记录画成图。"
    ),
    "Train every combination of the values given; what is finished in the folder is not done again.": (
        "训练所给值的每一种组合；文件夹中已完成的不再重做。"
    ),
    "Predict every layer at step 0 without building a network, from the flags of `vanishlab train`.": (
        "不建立网络，按 `vanishlab train` 的选项预测第 0 步的每一层。"
    ),
    "Draw the pictures of saved records again.": "重新画出已保存记录的图。",
    "Write one HTML file that shows records and sweeps, opens offline, and can be mailed.": (
        "写出一个展示记录与扫描的 HTML 文件，可离线打开，也可用邮件发送。"
    ),
    "Import and RUN your code to get a model, its loss and a batch, and say which layers get no gradient, and why.": (
        "导入并运行你的代码，取得模型、损失和一个批次，指出哪些层得不到梯度以及原因。"
    ),
    "Open a page in the browser that trains, predicts and draws whenever a slider moves; it has seven short lessons.": (
        "在浏览器中打开一个页面，移动滑块时即刻训练、预测并画图；其中有七节短课。"
    ),
    "What is trained.": "训练什么。",
    "How it is trained.": "怎样训练。",
    "What is trained: every field takes several values.": "训练什么：每一项可取多个值。",
    "What is predicted.": "预测什么。",
    "The flags of `vanishlab train`; loss and batch_size matter here, seeds and device with --measure.": (
        "`vanishlab train` 的选项；这里起作用的是 loss 和 batch_size，用 --measure 时还有 seeds 和 device。"
    ),
    f"Data set: {', '.join(DATA_NAMES)}, or an .npz file.": f"数据集：{'、'.join(DATA_NAMES)}，或一个 .npz 文件。",
    "Training examples to keep; None is all of them.": "保留的训练样本数；None 表示全部。",
    "Training examples to keep, at most 4096; None is all of them.": "保留的训练样本数，至多 4096；None 表示全部。",
    "Folder for record.npz, run.toml and the pictures.": "存放 record.npz、run.toml 和图的文件夹。",
    "Folder for prediction.csv, run.toml and the pictures, and with --measure record.npz.": (
        "存放 prediction.csv、run.toml 和图的文件夹，用 --measure 时还有 record.npz。"
    ),
    "Folder for the chunks, runs.csv, run.toml, and what failed; an interrupted sweep goes on from there.": (
        "存放各块、runs.csv、run.toml 和失败记录的文件夹；中断的扫描从这里继续。"
    ),
    "Folder for the pictures; None is a folder NAME_pictures beside each record.": (
        "存放图的文件夹；None 表示每个记录旁边的文件夹 NAME_pictures。"
    ),
    "Folder for record.npz and the picture of the three curves.": "存放 record.npz 和三条曲线图的文件夹。",
    "Also write report.html there, as `vanishlab report` does.": (
        "另外在那里写出 report.html，如同 `vanishlab report`。"
    ),
    "Also write report.html into the folder, of everything that is finished there.": (
        "另外在文件夹中写出 report.html，包含其中已完成的一切。"
    ),
    "A run.toml, as this command leaves one: its values instead of the defaults.": (
        "本命令留下的 run.toml：用其中的值代替默认值。"
    ),
    "Number of seeds, 0 to N - 1 (`vanishlab train` takes the seeds themselves).": (
        "随机种子的个数，0 至 N - 1（`vanishlab train` 直接给出种子）。"
    ),
    "Processes of this machine; None is one per core where the work is worth it.": (
        "本机的进程数；None 表示工作量值得时每核一个。"
    ),
    "Runs trained side by side; None is chosen by cache (CPU) or memory (GPU).": (
        "并排训练的运行数；None 表示按缓存（CPU）或显存（GPU）决定。"
    ),
    "Address of a Dask scheduler, such as tcp://10.0.0.1:8786; its workers train instead of this machine.": (
        "Dask 调度器的地址，如 tcp://10.0.0.1:8786；由它的工作进程代替本机训练。"
    ),
    "Also build the networks of all seeds, and draw what they show at step 0 beneath the theory.": (
        "另外建立所有随机种子的网络，把它们在第 0 步的实测画在理论下面。"
    ),
    "Record files (.npz), as `vanishlab train` writes them.": "`vanishlab train` 写出的记录文件（.npz）。",
    "Record files (.npz), folders of them, and folders of sweeps.": "记录文件（.npz）、其文件夹，以及扫描的文件夹。",
    "The file.": "写出的文件。",
    "PACKAGE.MODULE:FACTORY, a function without arguments that returns (model, loss_fn, batch), or with --batch "
    "(model, loss_fn). Its module is imported from the current folder or the environment.": (
        "PACKAGE.MODULE:FACTORY，一个不带参数的函数，返回值为：(model, loss_fn, batch)；"
        "用 --batch 时为：(model, loss_fn)。"
        "所在模块从当前文件夹或环境中导入。"
    ),
    "An .npz file with arrays x and y to use instead of the factory's batch.": (
        "含数组 x 和 y 的 .npz 文件，用来代替函数返回的批次。"
    ),
    "Seed of torch before the factory is called.": "调用该函数之前 torch 的随机种子。",
    "Also try every remedy on copies of the model, each trained for some steps.": (
        "另外在模型的副本上尝试每种补救办法，各训练若干步。"
    ),
    "Learning rate of these trials.": "这些尝试的学习率。",
    "Steps of each trial.": "每次尝试的步数。",
    "Address to serve at; 127.0.0.1 is for this machine only.": "服务的地址；127.0.0.1 只供本机使用。",
    "Port to serve at.": "服务的端口。",
    "Whether to open the page; its address is printed in any case.": "是否打开页面；无论如何都会打印其地址。",
    # NetworkConfig and Grid
    "Number of hidden layers, 1 to 10,000; the readout is one more.": "隐藏层数，1 至 10,000；输出层另计一层。",
    "Units per hidden layer: one number, or one per hidden layer.": "每个隐藏层的单元数：一个数，或每层一个数。",
    "The activation function phi.": "激活函数 φ。",
    "How weights are drawn. Kaiming uses the activation's gain, Xavier gain 1; biases start at 0, except for "
    "torch_default (uniform, as nn.Linear) and where sigma_b says otherwise.": (
        "权重怎样抽取。Kaiming 用激活函数的增益，Xavier 的增益为 1；偏置从 0 开始，"
        "但 torch_default（均匀分布，同 nn.Linear）和 sigma_b 另有规定时除外。"
    ),
    "Weight scale of 'gaussian' (W ~ N(0, sigma_w^2 / fan_in)) and 'orthogonal' (W = sigma_w Q).": (
        "'gaussian' 的权重尺度：W ~ N(0, sigma_w^2 / fan_in)，以及 'orthogonal' 的：W = sigma_w Q。"
    ),
    "Bias scale of 'gaussian' and 'orthogonal': b ~ N(0, sigma_b^2).": (
        "'gaussian' 和 'orthogonal' 的偏置尺度：b ~ N(0, sigma_b^2)。"
    ),
    "Normalisation of the pre-activation, with a learned scale (and shift).": (
        "预激活值的归一化，带可学习的缩放（和平移）。"
    ),
    "Skip connection h_l = h_(l-1) + s phi(z_l) around every hidden layer but the first: 'plain' (s = 1), a number "
    "(that branch scale), or 'learned' (one trained scalar per layer that starts at 0, as in ReZero).": (
        "残差连接 h_l = h_(l-1) + s phi(z_l)，绕过除第一层之外的每个隐藏层：'plain' 即 s = 1，或一个数，即分支系数，"
        "或 'learned'，即每层一个从 0 学起的标量，如 ReZero。"
    ),
    "Floating-point type of parameters, activations and gradients.": "参数、激活值和梯度的浮点类型。",
    "Numbers of hidden layers.": "隐藏层数。",
    "Units per hidden layer.": "每个隐藏层的单元数。",
    "Activation functions.": "激活函数。",
    "How weights are drawn.": "权重怎样抽取。",
    "Weight scales of 'gaussian' and 'orthogonal'.": "'gaussian' 和 'orthogonal' 的权重尺度。",
    "Bias scales of 'gaussian' and 'orthogonal'.": "'gaussian' 和 'orthogonal' 的偏置尺度。",
    "Normalisations of the pre-activation.": "预激活值的归一化。",
    "Skip connections: none, plain, learned, or a branch scale.": "残差连接：none、plain、learned，或一个分支系数。",
    "Floating-point types.": "浮点类型。",
    # TrainingConfig
    "Learning rates to compare.": "要比较的学习率。",
    "Seeds to repeat with: each one draws its own initial weights and its own order of mini-batches.": (
        "重复训练用的随机种子：每个种子各有自己的初始权重和小批次顺序。"
    ),
    "Number of parameter updates; 0 measures the initial network only.": "参数更新次数；0 表示只测量初始的网络。",
    "Loss: cross_entropy (batch mean), or mse (mean over batch and classes, against one-hot targets).": (
        "损失：cross_entropy，即批次的均值，或 mse，即批次与类别的均值，目标为独热编码。"
    ),
    "Examples per step; None is the full batch.": "每步的样本数；None 表示全批次。",
    "How the learning rate changes: constant, linear_warmup (up over warmup_steps), or cosine (down to 0).": (
        "学习率怎样变化：constant 不变，linear_warmup 在 warmup_steps 步内升高，cosine 降到 0。"
    ),
    "Steps over which linear_warmup (or cosine, first) raises the learning rate.": (
        "linear_warmup（或 cosine 开始时）升高学习率的步数。"
    ),
    "Momentum mu: v = mu v + gradient, x -= learning_rate v.": "动量 mu：v = mu v + gradient，x -= learning_rate v。",
    "Rescale the whole gradient of a run to this norm where it is larger; None is never.": (
        "整个梯度的范数更大时缩小到这个范数；None 表示从不。"
    ),
    "Divide each layer's gradient (weights and biases together) by its own norm.": (
        "每层的梯度（权重与偏置合在一起）除以它自己的范数。"
    ),
    "Steps between recordings; 'log' records about 20 steps a decade, 'never' none. The final state is recorded as "
    "well, unless 'never'.": (
        "每隔多少步记录一次；'log' 每个数量级约记录 20 步，'never' 不记录。除 'never' 外，最后的状态也会记录。"
    ),
    "Steps between measurements of the test accuracy; None is 20 times in all. The end is always measured.": (
        "每隔多少步测量一次测试准确率；None 表示总共 20 次。结束时总会测量。"
    ),
    "Steps between measurements of the sharpness (the largest eigenvalue of the Hessian of the whole training set's "
    "loss), which cost some twenty steps each; None is never. The end is measured as well.": (
        "每隔多少步测量一次锐度，即整个训练集损失的海森矩阵的最大特征值；每次约相当于二十步的开销；None 表示从不。"
        "结束时也会测量。"
    ),
    "Where to compute: auto (a CUDA device if there is one, else the CPU), cpu, cuda, cuda:1, ...": (
        "在哪里计算：auto（有 CUDA 设备就用它，否则用 CPU）、cpu、cuda、cuda:1……"
    ),
    "The update: descent, x -= learning_rate gradient; or adam, as torch.optim.Adam with its own defaults.": (
        "更新方法：descent，即 x -= learning_rate gradient；或 adam，同 torch.optim.Adam 及其默认值。"
    ),
    "What makes the steps: autograd; fused (compiled passes for plain networks on a CPU, needs the extra 'fast'); or "
    "auto, fused where it can and a run is long enough for it.": (
        "用什么执行各步：autograd；fused，即 CPU 上普通网络的编译版本，需要附加组件 'fast'；或 auto，"
        "在可行且运行够长时用 fused。"
    ),
    # Experiments
    "Measure a published result again, print it beside the lab's own numbers, and draw it.": (
        "重新测量一项已发表的结果，与本实验室自己的数字并列打印，并画成图。"
    ),
    "A smaller version, in seconds.": "较小的版本，几秒钟。",
    "Folder for the picture.": "存放图的文件夹。",
    "Measure the published results again and print them in one table.": "重新测量已发表的结果，打印成一张表格。",
    "The smaller version of each script.": "每个脚本的较小版本。",
    "Names of the scripts to run; all of them where not given.": "要运行的脚本名；不给则全部运行。",
    "Folder for the pictures and table.md.": "存放图和 table.md 的文件夹。",
    "Markdown file whose table is to be replaced.": "要替换其中表格的 Markdown 文件。",
    "Activation functions to compare.": "要比较的激活函数。",
    "Number of hidden layers.": "隐藏层数。",
    "Numbers of hidden layers to compare.": "要比较的隐藏层数。",
    "Seeds to repeat with.": "重复用的随机种子。",
    "Updates of each network.": "每个网络的更新次数。",
    "Updates.": "更新次数。",
    "Digits to train on; None is all of them.": "训练用的手写数字个数；None 表示全部。",
    "Digits in the batch.": "批次中手写数字的个数。",
    "Digits in the batch; None is all of them.": "批次中手写数字的个数；None 表示全部。",
    "Folder for the records and pictures.": "存放记录和图的文件夹。",
    "Folder for the record and pictures.": "存放记录和图的文件夹。",
    "Folder for the records and the picture.": "存放记录和图的文件夹。",
    "Folder for the runs and the pictures.": "存放各次运行和图的文件夹。",
    "Folder for the runs and the picture.": "存放各次运行和图的文件夹。",
    "Folder for the picture and the paths.": "存放图和路径的文件夹。",
    "Folder for the pictures.": "存放图的文件夹。",
    "Folder for the records.": "存放记录的文件夹。",
    "Also write report.html there: one file that opens offline (needs vanishlab[report]).": (
        "另外在那里写出 report.html：一个可离线打开的文件，需要 vanishlab[report]。"
    ),
    "Widths of the hidden layers.": "隐藏层的宽度。",
    "Adam's learning rate, at a width of 64.": "Adam 在宽度 64 时的学习率。",
    "Seeds of the weights.": "权重的随机种子。",
    "The activation function.": "激活函数。",
    "The learning rate.": "学习率。",
    "The one learning rate.": "唯一的学习率。",
    "Updates between the two looks.": "两次查看之间的更新次数。",
    "Blocks of attention and a sigmoid layer.": "块数，每块是注意力加一个 sigmoid 层。",
    "Features of each row.": "每行的特征数。",
    "Learning rate of the trials.": "尝试用的学习率。",
    "Seeds of the trials.": "尝试用的随机种子。",
    "Initialisations to compare; orthogonal and gaussian with sigma_w = 1.": (
        "要比较的初始化；orthogonal 和 gaussian 取 sigma_w = 1。"
    ),
    "Learning rates of each activation.": "每种激活函数的学习率个数。",
    "Data set, by name or path.": "数据集的名称或路径。",
    "Learning rates, each with a panel of its own.": "学习率，各有一幅小图。",
    "Updates with each of them.": "每个学习率的更新次数。",
    "Points to fit.": "要拟合的点数。",
    "Seed of the points.": "这些点的随机种子。",
    "Steps between recordings.": "每隔多少步记录一次。",
    "Seed of the weights and of the order of examples.": "权重和样本顺序的随机种子。",
    "Initialisations to place in the diagram.": "要放进相图的初始化。",
    "Bias scale of the network on the critical line, where the activation has one.": (
        "临界线上网络的偏置尺度（如果该激活函数有临界线）。"
    ),
    "Tables to print.": "要打印的表格。",
    "Numbers of hidden layers in the table of learning rates.": "学习率表格中的隐藏层数。",
    "Remedies to try, by their names in remedies.py.": "要尝试的补救办法，用 remedies.py 中的名称。",
    "Number of hidden layers of the patient.": "待补救的网络的隐藏层数。",
    "Learning rates that each remedy may choose from.": "每种补救办法可选的学习率。",
    "Networks to draw.": "抽取的网络数。",
    "Learning rates that each network may choose from.": "每个网络可选的学习率。",
    "Fewest and most hidden layers.": "隐藏层数的下限和上限。",
    "Bias scale of the tanh network, whose weights are then critical.": "tanh 网络的偏置尺度，其权重随之取临界值。",
    "Networks of each kind to measure.": "每种网络测量多少个。",
    "Numbers of time steps.": "时间步数。",
    "Biases of the forget gate of further LSTMs, in the place of PyTorch's (0 on average).": (
        "其余 LSTM 的遗忘门偏置，代替 PyTorch 的偏置（平均为 0）。"
    ),
    "Units of the recurrent layer.": "循环层的单元数。",
    "Sequences in the batch.": "批次中的序列数。",
    "Of Adam; the gradient is clipped to norm 1.": "Adam 的学习率；梯度裁剪到范数 1。",
    "Seeds of weights and sequences.": "权重和序列的随机种子。",
    "Weight scales.": "权重尺度。",
    "Networks to try.": "尝试的网络数。",
    "Hidden layers.": "隐藏层数。",
    "Training examples.": "训练样本数。",
    "Learning rates, each with every seed.": "学习率，各配所有随机种子。",
}
