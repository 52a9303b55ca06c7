"""What the terminal shows, in Chinese: tables, bars and lines of the commands, the table of remedies, a sweep."""

TERMINAL: dict[str, str] = {
    # Lines and bars
    "error": "错误",
    "compiling what the recorder measures by, once on this machine ...": "正在编译记录器的测量程序，本机只需一次……",
    "compiling the engine, once on this machine ...": "正在编译训练引擎，本机只需一次……",
    "interrupted": "已中断",
    "training": "训练",
    "measuring": "测量",
    "predicting": "理论预测",
    "sweeping {runs} run": "扫描 {runs} 次训练",
    "sweeping {runs} runs": "扫描 {runs} 次训练",
    "examining": "检查",
    "trying remedies": "尝试补救办法",
    "drawing the report": "绘制报告",
    "importing and running {factory}": "导入并运行 {factory}",
    "no step was recorded, so there is nothing to draw": "没有记录任何一步，所以没有可画的",
    "saved {steps} recorded steps to {path}": "已把 {steps} 个记录步保存到 {path}",
    "predicting {layers} layers on {examples} examples": "理论预测：{layers} 层，{examples} 个样本",
    "{days:.2g} days": "{days:.2g} 天",
    "{hours:.2g} hours": "{hours:.2g} 小时",
    "{minutes:.2g} minutes": "{minutes:.2g} 分钟",
    "{seconds:.2g} seconds": "{seconds:.2g} 秒",
    "a second": "1 秒",
    "{label} takes about {time}; Ctrl-C ends it and keeps what there is": (
        "{label}大约需要 {time}；按 Ctrl-C 可以结束，已有的会保留"
    ),
    "the playground is at {address} until Ctrl-C": "实验台在 {address}，按 Ctrl-C 结束",
    # Tables of runs
    "loss at start": "开始时的损失",
    "{count} of {all}": "{all} 次中的 {count} 次",
    "{block} ({layers} layers)": "{block}（{layers} 层）",
    "{examples} examples of {data}, medians over seeds": "{data} 的 {examples} 个样本，各随机种子的中位数",
    # Sweeps
    "{runs} runs, {finished} of them finished; {left} runs in {chunks} chunks to do": (
        "共 {runs} 次运行，已完成 {finished} 次；还有 {left} 次，分为 {chunks} 块"
    ),
    "about {time} on one core, less on the cluster": "单核大约需要 {time}，在集群上更短",
    "about {time} on {workers} process": "用 {workers} 个进程大约需要 {time}",
    "about {time} on {workers} processes": "用 {workers} 个进程大约需要 {time}",
    "stopped: {kept} of {runs} runs are finished and kept in {out}; the same command goes on from there": (
        "已停止：{runs} 次运行中完成的 {kept} 次保存在 {out}；同一条命令会从这里继续"
    ),
    "failed: {what}": "失败：{what}",
    "details in {folder}; the same command tries again": "详情见 {folder}；同一条命令会再试一次",
    "{done} of {runs} runs": "{runs} 次运行中完成 {done} 次",
    "{failed} failed": "{failed} 次失败",
    "{rate:.3g} runs/s": "每秒 {rate:.3g} 次",
    "best learning rate": "最好的学习率",
    "accuracy there": "该学习率的准确率",
    "networks, medians over seeds ({networks})": "各网络，随机种子的中位数（共 {networks} 个）",
    "{more} more networks in {file}": "另有 {more} 个网络，见 {file}",
    # The table of remedies
    "remedy": "补救办法",
    "mends": "有效",
    "yes": "是",
    "no": "否",
    "delta, first / last": "δ，首层 / 末层",
    "after {steps} steps; medians over {seeds} seeds (lowest to highest)": (
        "训练 {steps} 步之后；{seeds} 个随机种子的中位数（最低至最高）"
    ),
    "{median:.3g} ({low:.3g} to {high:.3g})": "{median:.3g}（{low:.3g} 至 {high:.3g}）",
    "warning: {warning}": "警告：{warning}",
    "not tried: {remedy} ({why})": "未尝试：{remedy}（{why}）",
    "none (as it is)": "不作处理（原样）",
    "activation swap: ReLU": "更换激活函数：ReLU",
    "activation swap: SELU": "更换激活函数：SELU",
    "smaller learning rate: / 10": "减小学习率：除以 10",
    "larger learning rate: x 10": "增大学习率：乘以 10",
    "learning rate: by the updates": "学习率：由更新量决定",
}
