import type { Words } from './en.ts'

const list = (values: unknown) => (Array.isArray(values) ? values.join('、') : String(values ?? ''))

export const zh: Words = {
  waiting: ({ prompt, place }) => (place === undefined ? `⏳ 排队中：${prompt}` : `⏳ 排在第 ${place} 位：${prompt}`),
  drawing: ({ prompt, percent }) =>
    percent === undefined ? `🎨 正在绘制：${prompt}` : `🎨 正在绘制 ${percent}%：${prompt}`,
  waitingAt: ({ prompt, position, at }) => `⏳ 在 ${at} 排第 ${position} 位：${prompt}`,
  finishing: '🎨 马上就好……',
  caption: (c) =>
    [
      ...(c.prompt ? [c.prompt] : []),
      ...(c.enhanced ? [`✨ ${c.enhanced}${c.enhancedBy ? `（${c.enhancedBy}）` : ''}`] : []),
      [
        c.model,
        ...(c.model.includes(c.servedBy) ? [] : [c.servedBy]),
        `${c.width}×${c.height}`,
        ...(c.seed ? [`种子 ${c.seed}`] : []),
        `${c.seconds.toFixed(1)} 秒`,
        `${c.credits} 积分`,
      ].join(' · '),
      ...c.notes.map((note) => `ℹ️ ${note}`),
    ].join('\n'),
  notes: {
    prompt_cut: (d) => `提示词超过了此模型的长度，只有前 ${d.limit ?? ''} 个${d.of ? '字符' : ' token '}生效。`,
    not_enhanced: () => '提示词未能优化，已按原文绘制。',
    some_missing: () => '部分图片未生成，只收取已生成图片的费用。',
  },
  failed: ({ prompt, reason, credits }) =>
    `⚠️ ${prompt}\n${reason}${credits > 0 ? `没有扣费，已退回 ${credits} 积分。` : ''}`,
  errorReply: (reason) => `⚠️ ${reason}`,

  balance: (b) =>
    `💳 剩余 ${b.balance} 积分${b.held > 0 ? `，另有 ${b.held} 积分用于正在绘制的图片` : ''}。用 ${b.model} 画一张图需要 ${b.price} 积分。`,
  entry: (e) => `${e.when}  ${e.amount > 0 ? '+' : ''}${e.amount}  ${e.reason}`,
  entryKinds: {
    grant: '赠送',
    take: '收回',
    hold: '绘图',
    capture: '部分图片未生成，退回',
    release: '退回',
    welcome: '新用户赠送',
  },
  gave: (g) => `✅ ${g.user}：${g.amount > 0 ? '+' : ''}${g.amount}，现在共有 ${g.balance} 积分。`,
  link: { expired: '链接已过期，请重新获取图片。', forged: '链接无效。', missing: '没有这张图片。' },
  keys: {
    title: '🔑 你的 API 密钥',
    none: '你还没有 API 密钥。发送 /apikey create [名称] 创建一个。',
    line: (k) =>
      [
        `…${k.tail}  ${k.name}`,
        `本月 ${k.spent}${k.cap === undefined ? '' : ` / ${k.cap}`} 积分`,
        ...(k.models ? [`仅限 ${k.models.join('、')}`] : []),
        k.used === undefined ? '从未使用' : `最近使用 ${k.used}`,
        k.id,
      ].join(' · '),
    created: (k) =>
      [
        `🔑 ${k.name}`,
        k.key,
        '',
        '请立即保存：密钥只显示这一次。拥有它的人可以使用你的积分。',
        ...(k.cap === undefined ? [] : [`每月最多 ${k.cap} 积分。`]),
        ...(k.models ? [`仅限 ${k.models.join('、')}。`] : []),
      ].join('\n'),
    revoked: (k) => `✅ …${k.tail}（${k.name}）已失效。`,
    usage:
      '/apikey 列出密钥，/apikey create [名称] [--cap 每月积分] [--models a,b] 创建，/apikey revoke <编号或最后四位> 吊销。',
    unnamed: '密钥',
  },
  historyTitle: (page) => (page === 1 ? '🖼 最近的请求' : `🖼 请求记录，第 ${page} 页`),
  historyEmpty: '还没有记录。试试：一只可爱的猫 16:9',
  historyLine: (h) => `${h.when}  ${h.state}  ${h.prompt}（${h.model}，${h.size}）`,
  historyMore: (page) => `更多：/history ${page}`,
  states: { queued: '⏳', running: '🎨', stored: '🎨', delivered: '✅', failed: '⚠️', cancelled: '✖️' },
  help: (h) =>
    [
      '写下你想看到的画面：一只可爱的猫 16:9',
      '或者发一张图片并附上文字：改成夜晚',
      '',
      '/flux <文字> 画一张图，比例写在最后',
      '/credits 查看积分，/history 查看最近的请求',
      '',
      `比例：${h.ratios}`,
      `模型：${h.models}`,
      '参数：--ar 16:9 --n 2 --seed 7 --model <id> --steps 20 --guidance 3.5 --strength 0.8 --no <文字>',
      '',
      '管理员：/credits give @用户 5',
    ].join('\n'),

  commands: {
    flux: '画一张图',
    credits: '查看积分和价格',
    history: '最近的请求',
    apikey: '供程序使用你的积分的密钥',
    help: '我能做什么',
    start: '打个招呼',
  },
  options: {
    prompt: '画什么；比例（如 16:9）写在最后',
    model: '使用哪个模型',
    aspect: '图片比例',
    image1: '参考图片',
    image2: '第二张图片',
    image3: '第三张图片',
    image4: '第四张图片',
    action: '管理员：赠送或收回',
    user: '管理员：哪位用户',
    amount: '管理员：积分数量',
    page: '更早的请求：2、3……',
    key: '创建或吊销；不填则列出你的密钥',
    name: '新密钥的用途；吊销时填它的最后四位',
    cap: '新密钥每月最多使用的积分',
    models: '新密钥可以使用的模型，用逗号分隔',
  },

  keptEnd: (said: string) => `${said}要重新尝试，请换一个新的 Idempotency-Key。`,
  errors: {
    empty_prompt: () => '请告诉我要画什么，例如：/flux 一只可爱的猫 16:9',
    prompt_too_long: (d) => `文字太长，最多 ${d.limit} 个字符。`,
    unknown_model: (d) => `没有名为“${d.name}”的模型。可用模型：${list(d.available)}。`,
    unknown_ratio: (d) => `${d.model} 不支持比例 ${d.ratio}。支持：${list(d.available)}。`,
    bad_option: (d) =>
      d.value === ''
        ? `${d.name} 需要一个值，例如 ${d.expected}。`
        : d.limit !== undefined
          ? `${d.name} 太长，最多 ${d.limit} 个字符。`
          : `${d.name} 不能是“${d.value}”，请使用 ${d.expected}。`,
    unknown_option: (d) => `不认识 ${d.name}。可用：${list(d.available)}。`,
    not_taken: (d) => `${d.model} 不支持 ${d.name}。请去掉它，或换一个模型。`,
    words_not_taken: (d) => `${d.model} 只根据图片绘制，请去掉文字。`,
    image_needed: (d) => `${d.model} 需要一张参考图片，请附上。`,
    too_many_images: (d) =>
      d.limit === 0 ? `${d.model} 只支持文字，请去掉图片。` : `${d.model} 最多支持 ${d.limit} 张图片。`,
    image_too_big: (d) => `图片太大，每张最多 ${d.limitMb} MB。`,
    image_type: () => '只支持 PNG、JPEG 和 WebP 图片，请转换后重新发送。',
    image_unreadable: () => '图片已损坏或尺寸过大，请另存为 PNG 或 JPEG 后重新发送。',
    image_unreachable: () => '无法获取这张图片，请重新发送。',
    unknown_command: (d) => `不认识 /${d.name}。发送 /help 查看可用命令。`,
    no_credits: (d) =>
      d.balance === undefined
        ? `积分不足 ${d.price}。`
        : `需要 ${d.price} 积分，你还有 ${d.balance} 积分。可以请管理员赠送。`,
    too_many_in_flight: (d) => `你有 ${d.limit} 张图片正在绘制，请等其中一张完成后再试。`,
    too_fast: (d) => `每分钟最多 ${d.limit} 次请求，请 ${d.seconds} 秒后再试。`,
    banned: () => '你不能使用这个机器人。',
    admins_only: (d) =>
      d.identity === undefined
        ? '只有管理员的密钥可以这样做。'
        : `只有管理员可以这样做。（你是 ${d.identity}；ADMIN_IDS 列出了管理员。）`,
    unknown_user: (d) => `不认识 ${d.user}，对方需要先给我发过消息。`,
    bad_amount: (d) => `请写 1 到 ${d.limit} 之间的整数，例如：/credits give @用户 5`,
    key_missing: () =>
      '需要 API 密钥：Authorization: Bearer <密钥>。在聊天中发送 /apikey create 可以创建，API_KEY 是管理员的密钥。',
    key_wrong: () => 'API 密钥无效或已被吊销。',
    too_many_wrong_keys: (d) => `来自你的地址的错误 API 密钥太多，请 ${d.seconds} 秒后再试。`,
    model_not_allowed: (d) => `此 API 密钥不能使用 ${d.model}，可用：${list(d.available)}。`,
    cap_reached: (d) => `此 API 密钥每月最多使用 ${d.limit} 积分，已使用 ${d.spent}。`,
    too_many_keys: (d) => `你已有 ${d.limit} 个密钥，不能再创建，请先吊销一个。`,
    unknown_key: (d) => `没有密钥“${d.name}”，或有多个以此结尾；/apikey 会列出它们的编号。`,
    unknown_request: () => '没有这个请求。',
    privately_only: () =>
      '这里会被保存或被他人看到，请在 Discord 或 Telegram 私聊我。管理员可以设置 API_KEY，无需聊天。',
    unknown_path: (d) => `${d.name} 不存在。`,
    wrong_method: (d) => `此路径不支持 ${d.method}，请使用 ${list(d.allowed)}。`,
    overloaded: () => '正在传输的大请求和图片太多，请稍后再试。',
    bad_idempotency_key: () => 'Idempotency-Key 无效：应为 1–255 个可打印字符。',
    idempotency_erased: () => '使用这个 Idempotency-Key 的请求已被删除；新请求请换一个。',
    idempotency_reused: () => '这个 Idempotency-Key 已用于另一个请求。',
    idempotency_in_flight: () => '带有这个 Idempotency-Key 的请求正在处理。',
    still_running: () => '该请求尚未结束：请先取消（DELETE /v1/images/jobs/{id}），或等待其结束。',
    too_many_uploads: (d) => `每天最多预先上传 ${d.limit} 张图片。`,
    unknown_upload: () => '你没有这张图片：预先上传的图片只保留一天，请重新上传。',
    request_too_big: (d) => `一次请求的所有图片合计不能超过 ${d.limitMb} MB。`,
    provider_missing: (d) => `目前没有可用的服务来使用 ${d.model}。`,
    provider_busy: () => '图像服务繁忙，请过几分钟再试。',
    provider_failed: (d) => `图像服务出错${d.reason ? `：${d.reason}` : ''}，请重试。`,
    provider_timeout: () => '图像服务超时。',
    provider_refused: (d) => `图像服务没有接受这个请求${d.reason ? `：${d.reason}` : '。'}`,
    provider_account: (d) =>
      d.title === undefined
        ? '图像服务暂时拒绝了我们，需要管理员处理。'
        : `${d.title} 不接受此密钥，或其账户目前无法绘图。`,
    provider_quota: () => '图像服务今天的额度已用完，请换一个模型。',
    enhancer_missing: (d) => `这里没有配置提示词优化，请去掉 ${d.name}。`,
    forged: () => '消息来源无法确认。',
    unknown_config: (d) => `没有配置“${d.id}”。`,
    unknown_provider: (d) => `没有服务“${d.name}”。可用：${list(d.available)}。`,
    moderated: () => '图像服务因内容原因拒绝了请求，请换一种说法。',
    bad_result: () => '图像服务没有返回可用的图片，请重试。',
    unresolved: () => '绘制过程中失去了联系，请重试。',
    deadline: () => '等待时间过长，已放弃。',
    input_lost: () => '你发送的图片在我们这边丢失了，请重新发送。',
    interrupted: () => '多次被中断，已放弃，请重试。',
    cancelled: () => '已取消。',
    chat_refused: () => '这个聊天不允许我回复。',
    chat_unavailable: () => '无法连接到聊天平台。',
    internal: () => '我们这边出了点问题，请稍后再试。',
  },
}
