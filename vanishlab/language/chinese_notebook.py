"""What a notebook shows of records, sweeps and predictions, in Chinese."""

NOTEBOOK: dict[str, str] = {
    "runs: {runs}": "运行次数：{runs}",
    "layers: {layers}": "层数：{layers}",
    "recorded steps: {steps}": "记录的步数：{steps}",
    "learning rates: {rates}": "学习率：{rates}",
    "not measured: {names}": "未测量：{names}",
    "verdict: {names}": "诊断：{names}",
    "χ = {chi:.3g}": "χ = {chi:.3g}",
    "runs: {runs}, networks: {networks}, in {folder}": "运行次数：{runs}，网络数：{networks}，位于 {folder}",
    "sweep": "扫描",
    "what varies": "变化的量",
    "values": "取值",
    "and {more} more": "另有 {more} 个",
}
