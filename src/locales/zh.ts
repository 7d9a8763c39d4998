import type { Words } from './en.ts'
import { amountOf, type Data, eitherOf, firstOf, hasLimit, listOf, numberOf } from './format.ts'

const list = listOf('、')
const spaced = listOf(' ')
const number = numberOf('zh-CN')
const either = eitherOf('zh-CN')
const credits = (count: number) => `${number(count)} 积分`

const platforms: Readonly<Record<string, string>> = { discord: 'Discord', telegram: 'Telegram', web: '网页' }
const platform = (identity: string) => {
  const [name = ''] = identity.split(':')
  return platforms[name] ?? name
}

const about = (seconds: number) => `约 ${seconds > 100 ? `${Math.ceil(seconds / 60)} 分钟` : `${seconds} 秒`}`

const pictureLimit = (d: Data) => {
  const size = `图片为 ${number(amountOf(d.width))} × ${number(amountOf(d.height))} 像素，`
  if (d.limitSide !== undefined) return `${size}单边最多 ${number(amountOf(d.limitSide))} 像素`
  if (d.limitMegapixels !== undefined) return `${size}最多 ${amountOf(d.limitMegapixels) * 100} 万像素`
  if (d.limitProgressive !== undefined) {
    return `${size}这种渐进式 JPEG 最多 ${amountOf(d.limitProgressive) * 100} 万像素，请另存为非渐进式`
  }
  if (d.limitRatio !== undefined) return `${size}长边最多为短边的 ${d.limitRatio} 倍`
  return `每张最多 ${d.limitMb} MB`
}

/** Why a person cannot be invited. */
const notInvitable = new Map([
  ['self', '不能邀请自己，请把邀请发给新用户。'],
  ['drew', '邀请只适用于新用户，你已经在这里画过图。'],
  ['invited', '你已经接受过别人的邀请。'],
  ['mutual', '这个人是你邀请来的。'],
  ['off', '这里没有邀请奖励。'],
])
const limits = (l: { inFlight: number; perMinute: number }) =>
  `同时 ${number(l.inFlight)} 个请求，每分钟 ${number(l.perMinute)} 个`

const stages = { started: '开始', submitted: '提交', stored: '存储', ended: '结束', deadline: '到期' }

export const zh: Words = {
  tags: { html: 'zh-CN', discord: ['zh-CN', 'zh-TW'], telegram: 'zh' },

  status: {
    queued: ({ place, at, seconds }) =>
      [
        place === undefined ? '⏳ 排队中' : at === undefined ? `⏳ 排在第 ${place} 位` : `⏳ 在 ${at} 排第 ${place} 位`,
        ...(seconds === undefined ? [] : [about(seconds)]),
      ].join('，'),
    drawing: ({ percent, seconds }) =>
      [
        percent === undefined ? '🎨 正在绘制' : `🎨 正在绘制 ${percent}%`,
        ...(seconds === undefined ? [] : [`还需${about(seconds)}`]),
      ].join('，'),
    finishing: '🎨 马上就好……',
    of: (status, prompt) => `${status}：${prompt}`,
  },
  facts: {
    seed: (seed) => `种子 ${seed}`,
    seconds: (seconds) => `${seconds.toFixed(1)} 秒`,
    credits: (c) => {
      const spent = c.byPool ? `${credits(c.credits)}（服务器积分池支付）` : credits(c.credits)
      return c.left === undefined ? spent : `${spent}，剩余 ${number(c.left)}`
    },
    id: (id) => `#${id}`,
    parent: (id) => `源自 #${id}`,
    masked: '使用蒙版',
    grown: (sides) => `扩展 ${sides}`,
    loras: (loras) => `LoRA ${list(loras)}`,
    enhancedBy: (text, model) => `${text}（${model}）`,
  },
  notes: {
    prompt_cut: (d) => `提示词超过了此模型的长度，只有前 ${d.limit ?? ''} 个${d.of ? '字符' : ' token '}生效。`,
    not_enhanced: () => '提示词未能优化，已按原文绘制。',
    some_missing: () => '部分图片未生成，只收取已生成图片的费用。',
    may_be_missing: () => 'Telegram 没有确认收到图片。如果没有看到，请按“重新发送”。',
  },
  completion: {
    original: (prompt) => `🎨 原始提示词：${prompt}`,
    optimizer: (model) => `💬 提示词生成模型：${model ?? 'Original Prompt'}`,
    optimized: (prompt) => `🌐 优化后的提示词：${prompt}`,
    size: (size) => `📐 图像规格：${size}`,
    drawing: '⏳ 正在生成图像……',
    done: '🌟 图像生成成功！\n以下是结果：',
    alt: () => '生成的图像',
  },
  refunded: (reason, count) => (count > 0 ? `${reason}没有扣费，已退回 ${credits(count)}。` : reason),
  warning: (text) => `⚠️ ${text}`,
  stopped: (text) => `✖️ ${text}`,

  buttons: {
    useenhanced: '✨ 用优化版',
    useown: '用我的原文',
    draw: '🎨 画出来',
    editdraft: '✏️ 修改',
    setpictures: '🖼 图片设置',
    setanswers: '💬 回复设置',
    groupsettings: '👥 本群设置',
    allowed: '🎨 模型',
    allowedpage: '页码',
    allow: '▫️',
    forbid: '✅',
    allowall: '全部模型',
    exportdata: '📦 导出',
    closeaccount: '🗑 删除账户',
    closeforgood: '永久删除',
    keepaccount: '保留',
    joinaccounts: '🔗 合并',
    buy: '⭐ 购买积分',
    audience: '👥',
    broadcast: '📣 发送',
    dropbroadcast: '不发送',
    pause: '⏸ 暂停',
    resume: '▶️ 继续',
    stop: '⏹ 停止',
    mute: '🔕 不再接收公告',
    unmute: '🔔 重新接收公告',
    useinput: '📥 用作输入',
    getresult: '📬 取回结果',
    reroll: '🎲 再画一次',
    vary: '🔀 变体',
    edit: '✏️ 修改',
    remix: '🔁 换模型',
    upscale: '🔍 放大',
    zoomoutless: '🔭 拉远 1.5 倍',
    zoomout: '🔭 拉远 2 倍',
    panleft: '⬅️ 向左扩展',
    panright: '➡️ 向右扩展',
    panup: '⬆️ 向上扩展',
    pandown: '⬇️ 向下扩展',
    describe: '📝 描述',
    original: '💾 原图',
    favourite: '⭐',
    up: '👍',
    down: '👎',
    report: '🚩 举报',
    delete: '🗑 删除',
    erase: '永久删除',
    keep: '保留',
    drop: '取消',
    queue: '🔄 刷新',
    models: '页码',
    prefer: '选用',
    example: '示例',
    varyphoto: '🔀 变体',
    editupload: '✏️ 修改',
    editphoto: '✏️ 修改',
    enlargephoto: '🔍 放大',
    describephoto: '📝 描述',
    show: '🔍',
    resend: '📨 重新发送',
    older: '更早 ▶',
    newer: '◀ 较新',
    cancel: '取消',
  },
  menus: { edit: '用 fluxbot 修改', input: '用作输入图片', recipe: '查看配方' },
  recipe: (r) =>
    [
      '📜 想再画一张，请发送：',
      `${r.enhanced ?? r.prompt} ${r.flags}`,
      ...(r.enhanced === undefined ? [] : ['', `✏️ 原提示词：${r.prompt}`]),
      ...(r.inputs === 0 ? [] : ['', `它使用了 ${r.inputs} 张输入图片。`]),
      ...(r.masked ? ['只绘制了蒙版标出的区域。'] : []),
    ].join('\n'),
  toasts: {
    cancelled: '已取消。',
    sure: '确定吗？',
    kept: '已保留。',
    deleted: '已删除。',
    chosen: '已开始。',
  },
  reactions: {
    favourite: '⭐ 已收藏。',
    noFavourite: '已取消收藏。',
    up: '👍 感谢评价。',
    down: '👎 感谢评价。',
    unrated: '已撤回评价。',
    reported: '🚩 谢谢，管理员会查看。',
    reportKept: '🚩 谢谢，举报已保存，供本机器人的运营者查看。',
  },
  fullSize: (which) => (which === undefined ? '查看原图' : `查看原图 ${which}`),
  originals: (count) => (count === 1 ? '💾 原图' : `💾 ${number(count)} 张原图`),
  originalsUnclear: '聊天平台没有确认收到文件。如果没有看到，请再按一次“原图”。',
  mayBeLeft: '已删除。有些消息发送时聊天平台没有确认：如果还能看到，请自行删除，或请群管理员删除。',
  buttonsMayBeMissing:
    'Telegram 没有确认收到图片下方的文字和按钮。如果没有看到，请用这里的按钮；“重新发送”会把结果完整地再发一次。',
  composed: { balance: (balance) => `剩余 ${credits(balance)}` },
  priced: (label, price) => `${label} · ${credits(price)}`,

  forms: {
    edit: {
      title: '✏️ 修改图片',
      fields: {
        prompt: { label: '提示词', hint: '新图片要画什么' },
        aspect: { label: '比例', hint: '与原图相同' },
        model: { label: '模型', hint: '用哪个模型绘制' },
        pictures: { label: '更多图片', hint: '与这张图片一起使用' },
      },
      model: (m) => `${m.title} · ${credits(m.price)}${m.wordsOnly ? ' · 不参考原图' : ''}`,
    },
    remix: {
      title: '🔁 换一个模型重画',
      fields: { model: { label: '模型', hint: '用哪个模型绘制' } },
      model: (m) => [m.title, credits(m.price), ...(m.count === undefined ? [] : [`${m.count} 张`])].join(' · '),
    },
    useinput: {
      title: '📥 用这张图片画新图',
      fields: {
        prompt: { label: '提示词', hint: '要修改什么，或要画什么' },
        aspect: { label: '比例', hint: '与图片相同' },
        model: { label: '模型', hint: '用哪个模型绘制' },
      },
    },
    report: {
      title: '🚩 举报图片',
      fields: { reason: { label: '原因', hint: '图片有什么问题' } },
    },
    editdraft: {
      title: '✏️ 修改提示词',
      fields: { prompt: { label: '提示词', hint: '要画什么' } },
    },
    editupload: {
      title: '✏️ 修改图片',
      fields: {
        pictures: { label: '图片', hint: '最多 10 张；并非所有模型都支持多张' },
        prompt: { label: '提示词', hint: '要改什么，例如：改成夜晚' },
        aspect: { label: '比例', hint: '与图片相同' },
        model: { label: '模型', hint: '用哪个模型绘制' },
      },
    },
    editphoto: {
      title: '✏️ 修改图片',
      fields: { prompt: { label: '修改', hint: '要改什么，例如：改成夜晚' } },
    },
    setpictures: {
      title: '⚙️ 图片设置',
      fields: {
        model: { label: '模型', hint: '未指定模型时使用' },
        aspect: { label: '比例', hint: '没有附图时使用' },
        count: { label: '数量', hint: '每次请求画几张' },
        enhance: { label: '优化提示词', hint: 'on、off 或 ask' },
      },
    },
    setanswers: {
      title: '⚙️ 回复设置',
      fields: {
        private: { label: '仅自己可见', hint: '图片是否只有你能看到' },
        language: { label: '语言', hint: '所有回复使用的语言' },
        original: { label: '原始文件', hint: '是否随图片发送原始文件' },
      },
    },
  },
  question: {
    write: '请回复这条消息，写下你的回答。',
    choose: '请回复这条消息，写下其中一个。点按即可复制：',
    reply: '请回复这条消息，写下新的文字。点按当前文字即可复制：',
    more: '要修改其他内容，请另起一行，例如：',
    example: (label, value) => `${label}：${value}`,
    choices: (values) => `（${list(values)}）`,
    pictures: (label) => `${label}：随回答一起发送即可。`,
  },

  settings: {
    title: { person: '⚙️ 你的设置', chat: '⚙️ 本群的设置' },
    saved: '✅ 已保存。',
    names: {
      model: '模型',
      aspect: '比例',
      count: '数量',
      enhance: '优化提示词',
      private: '仅自己可见',
      language: '语言',
      original: '原始文件',
      announcements: '公告',
    },
    values: { on: '开', off: '关', ask: '先让我看', default: '默认' },
    languages: { en: 'English', zh: '简体中文' },
    origins: { person: '你的设置', chat: '本群设置', service: '默认' },
    ofModel: '由模型决定',
    ofClient: '与客户端相同',
    fixed: (s) => `${s.name}：${s.value}`,
    filesKept: '始终发送：这里的图片就是原始文件',
    line: (s) => `${s.name}：${s.value} · ${s.origin}`,
    usage:
      '/settings ratio 16:9 修改其中一项；其他项为 model、count、enhance、private、language、original、announcements。' +
      '/settings ratio default 恢复默认。',
    usageHere: '群管理员加上 here 即可为全群设置：/settings ratio 16:9 here',
    usageOfGroup:
      '/settings ratio 16:9 here 修改其中一项；其他项为 model、count、enhance、private、language、original。' +
      '/settings ratio default here 恢复默认。',
    usageModels: '/settings models flux-dev, sketch 限定本群只能使用这些模型；/settings models all 恢复为全部模型。',
    modelsTitle: (page) => (page === 1 ? '⚙️ 本群可用的模型' : `⚙️ 本群可用的模型，第 ${page} 页`),
    modelsHint: '点按模型即可允许或禁止本群使用（✅ 为允许），仅限群管理员操作。',
  },
  server: {
    title: '🛠 本服务器的规则',
    channels: (c) =>
      c.only.length > 0
        ? `频道：仅 ${c.only.join(' ')}`
        : c.except.length > 0
          ? `频道：除 ${c.except.join(' ')} 以外的所有频道`
          : '频道：全部',
    models: (ids) => `模型：${ids === null ? '全部' : list(ids)}`,
    defaults: (d) => `默认模型：${d.model} · 默认比例：${d.ratio}`,
    private: (value) => `默认私密回复：${value}`,
    pool: (p) => `积分池：${credits(p.balance)} · 每位成员${p.cap === 0 ? '不能使用' : `每天可用 ${credits(p.cap)}`}`,
    role: (r) => `身份组 ${r.name}：每天 ${credits(r.credits)}`,
    nsfw: (value) => `在年龄限制频道显示 NSFW 图片：${value}`,
  },
  drafts: {
    shown: (d) =>
      [
        d.prompt,
        '',
        ...(d.enhanced === undefined ? ['⚠️ 提示词未能优化。可以按原文绘制，或修改后再画。'] : [`✨ ${d.enhanced}`]),
        '',
        `选择之前不会扣费。按钮在 ${d.minutes} 分钟内有效。`,
      ].join('\n'),
    closed: (prompt) => `${prompt}\n\n✏️ 你已修改这段提示词。`,
  },
  greeting: {
    examples: ['暴风雨中的灯塔，油画 16:9', '一只在咖啡馆看报纸的狐狸，水彩', '玻璃瓶里的微型城市，微距摄影'],
    text: (g) =>
      [
        '你好！写下你想看到的画面，我来画。发一张图片并附上文字，就可以修改它。',
        '',
        ...zh.greeting.examples.map((example, index) => `${index + 1}. ${example}`),
        '',
        `点一个示例就能画，需要 ${credits(g.price)}。/help 介绍更多用法。`,
      ].join('\n'),
  },
  inline: {
    draw: '画一张新图',
  },
  photos: {
    offered: '想对这张图片做什么？请点下面的按钮，或回复这张图片并写明要改什么。',
  },
  sentPrivately: '🔒 结果会通过私聊发给你。',

  balance: (b) =>
    `💳 剩余 ${credits(b.balance)}${b.held > 0 ? `，另有 ${credits(b.held)}暂存于进行中的请求` : ''}。用 ${b.model} 画一张图需要 ${credits(b.price)}。`,
  entry: (e) => `${e.when}  ${e.amount > 0 ? '+' : ''}${number(e.amount)}  ${e.reason}`,
  entryKinds: {
    grant: '赠送',
    take: '收回',
    hold: '请求',
    capture: '部分图片未生成，退回',
    release: '退回',
  },
  entrySources: {
    welcome: '新用户赠送',
    daily: '每日签到',
    role: '身份组每日积分',
    referral: '邀请奖励',
    code: '兑换码',
    gift: '转赠',
    pool: '服务器积分池',
    order: '购买',
    refund: '退款',
    link: '合并账户',
    late: '合并账户',
    closing: '删除账户',
  },
  gave: (grant) =>
    `✅ ${grant.user}：${grant.amount > 0 ? '+' : ''}${number(grant.amount)}，现在共有 ${credits(grant.balance)}。`,
  wallet: {
    debt: (debt) => `你有 ${credits(debt)}待偿还：对应的付款已退款，之后获得的积分会先用于偿还。`,
    owes: (debt) => `待偿还：${credits(debt)}。`,
    inviteByLink: (i) => `🤝 邀请朋友：${i.link}\n对方画出第一张图后，双方各得 ${credits(i.credits)}。`,
    inviteByCode: (i) =>
      `🤝 邀请朋友：请对方在画第一张图之前发送 /redeem ${i.code}，画出第一张图后，双方各得 ${credits(i.credits)}。`,
    pool: (p) =>
      `🏦 本服务器积分池：${credits(p.balance)}。${p.cap === 0 ? '目前不支付任何请求。' : `你的积分不足时由它支付，每天最多 ${credits(p.cap)}，今天已用 ${number(p.drawn)}。`}`,
    funded: (f) =>
      `${f.fresh ? '🏦 已将' : '此前已将'} ${credits(f.amount)}转入本服务器积分池，积分池现有 ${credits(f.pool)}，你还有 ${credits(f.balance)}。`,
    invited: (count) => `🤝 你已接受邀请。画出第一张图后，你和邀请人各得 ${credits(count)}。`,
    daily: (d) =>
      [
        d.fresh ? `🎁 +${credits(d.credits)}` : `🎁 今天的 ${credits(d.credits)}已经领取`,
        ...(d.streak > 1 ? [`，已连续 ${number(d.streak)} 天`] : []),
        `。现在共有 ${credits(d.balance)}。${d.nextAt} 起可再领 ${credits(d.next)}，中断后重新计算连续天数。`,
      ].join(''),
    redeemed: (r) =>
      `${r.fresh ? `🎁 +${credits(r.credits)}。` : `你已兑换过这个码，当时获得 ${credits(r.credits)}。`}现在共有 ${credits(r.balance)}。`,
    gift: (g) => `🎁 ${g.from} 送给 ${g.to} ${credits(g.amount)}。`,
    code: (c) =>
      [
        `🎟 ${c.code}`,
        '',
        `发送 /redeem ${c.code} 可获得 ${credits(c.credits)}，${c.uses === 1 ? '限一人使用' : `限 ${number(c.uses)} 人使用，每人一次`}${
          c.days === undefined ? '' : `，${number(c.days)} 天内有效`
        }。`,
        '请立即复制：兑换码只显示这一次。',
      ].join('\n'),
    set: (s) => `✅ ${s.user}：现在共有 ${credits(s.balance)}。`,
    account: (a) => `💳 ${a.user}：${credits(a.balance)}，暂存 ${number(a.held)}，待偿还 ${number(a.debt)}`,
    requestRefunded: (r) =>
      `${r.fresh ? '✅ ' : '之前已退回：'}#${r.id} 的 ${credits(r.credits)}。付款账户现在共有 ${credits(r.balance)}。`,
    moneyRefunded: (r) => `${r.fresh ? '✅ 已退款' : '之前已退款'}：${r.charge}。这笔付款没有发放积分。`,
    paymentRefunded: (r) =>
      `${r.fresh ? '✅ 已收回' : '之前已收回'} ${r.charge} 的 ${credits(r.credits)}。购买者现在共有 ${credits(r.balance)}，待偿还 ${credits(r.debt)}。`,
  },
  shop: {
    list: '⭐ 用 Telegram Stars 购买积分。选择套餐即可收到账单。条款见 /terms，付款帮助见 /paysupport。',
    none: '目前没有在售的积分。',
    item: (p) => `${credits(p.credits)} · ⭐ ${number(p.stars)}`,
    title: (count) => credits(count),
    about: (count) => `${credits(count)}，可用于画图，付款后立即到账。付款即表示你同意 /terms 中的条款。`,
    paid: (p) =>
      [
        `🎉 谢谢！你购买了 ${credits(p.credits)}。`,
        ...(p.paidOff > 0 ? [`其中 ${credits(p.paidOff)}已用于偿还。`] : []),
        `现在共有 ${credits(p.balance)}${p.debt > 0 ? `，仍待偿还 ${credits(p.debt)}` : ''}。`,
      ].join(''),
    refunded: (r) => `↩️ 你的付款已退款，对应的 ${credits(r.credits)}已收回。现在共有 ${credits(r.balance)}。`,
    returned: '↩️ 付款到账前你的账户已删除，Stars 已退还给你。',
    unmatched: (charge) =>
      `⚠️ 这笔付款没有对应的订单，未增加积分。请把下面这行发给机器人的运营者：/paysupport ${charge}`,
    terms: [
      '📄 积分条款',
      '',
      '• 积分用 Telegram Stars 购买，可在本机器人以及与你的账户相连的其他平台上画图。积分不是货币，不能提现。',
      '• Telegram 确认付款后积分立即到账，不会过期。',
      '• 画图前会显示价格。失败或未送达的图片不收费。',
      '• 如需退款，请发送 /paysupport，由本机器人的运营者决定。退款会收回积分；若积分已用完，之后获得的积分会先用于偿还。',
      '• 不得用图片违法或伤害他人，违者账户可能被封禁。',
      '• 用 /privacy delete 删除账户后，剩余积分作废。',
      '• 卖方是本机器人的运营者，而不是 Telegram。Telegram 客服无法处理此类购买。',
    ].join('\n'),
    payment: (p) =>
      `${p.when} · ${credits(p.credits)}${p.stars === undefined ? '' : ` · ⭐ ${number(p.stars)}`}${p.isRefunded ? ' · 已退款' : ''}\n${p.charge}`,
    support: (s) =>
      [
        '💬 付款帮助',
        '',
        ...(s.payments.length > 0 ? ['你最近的付款：', ...s.payments] : ['你还没有付款记录。']),
        '',
        s.hasAdmins
          ? '遇到问题或想退款？请发送 /paysupport 加上具体情况，例如：/paysupport 已付款但没有收到积分。你的留言和上面的记录会转给本机器人的运营者。'
          : '遇到问题或想退款？请通过机器人资料页上的联系方式联系运营者，并附上以 telegram 开头的付款编号。',
        'Telegram 客服无法处理本机器人中的购买。',
      ].join('\n'),
    noAdmins: '本机器人无法转达留言。请通过机器人资料页上的联系方式联系运营者，并附上 /paysupport 显示的付款编号。',
    supportPace: '你刚刚发送过留言，请一分钟后再发。',
    supportSent: '✅ 留言已转给本机器人的运营者，他们会在 Telegram 上联系你。',
    asked: (a) =>
      [
        `💬 ${a.person} 咨询付款问题：`,
        a.message,
        '',
        ...(a.payments.length > 0
          ? [...a.payments, '', '发送 /refund 加上以 telegram 开头的编号即可退款。']
          : ['此人没有付款记录。']),
      ].join('\n'),
    packages: '⭐ 积分套餐',
    saved: '✅ 已保存。价格不同的旧账单不能再付款。',
    line: (p) => `${p.id} · ${credits(p.credits)} · ⭐ ${number(p.stars)}${p.active ? '' : ' · 已停售'}`,
    usage: '/package small 100 150 以 150 Stars 出售 100 积分。/package small off 停售，/package small on 恢复出售。',
    skus: '🛒 Discord 商店商品对应的积分',
    skuSaved: '✅ 已保存。若此 SKU 已设置积分，之前未发放的购买会立即补发。',
    noSkus: '尚未给任何 SKU 设置积分。',
    sku: (s) =>
      `${s.id} · ${credits(s.credits)} · ${s.kind === null ? 'Discord 未列出' : { consumable: '消耗型', durable: '永久型', subscription: '订阅' }[s.kind]}${s.available || s.kind === null ? '' : ' · 未上架'}`,
    skuUsage:
      '/credits sku 1019475255913222144 100：每次购买该 SKU 发放 100 积分，订阅则每期发放。设为 0 则购买后不再发放。',
  },
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
  queue: {
    title: '⏳ 进行中的请求',
    none: '没有进行中的请求。',
    cancelled: (prompt) => `✖️ 已取消：${prompt}`,
    lanes: '图像服务：',
    lane: (l) =>
      `${l.title}：${number(l.places)} 个位置已用 ${number(l.running)} 个，${number(l.waiting)} 个请求排队中`,
  },
  models: {
    title: (page) => (page === 1 ? '🎨 模型' : `🎨 模型，第 ${page} 页`),
    name: (m) =>
      `${m.number}. ${m.isDefault ? '⭐ ' : ''}${m.title} · ${m.id} · 每张 ${credits(m.price)}${m.isDefault ? ' · 默认' : ''}`,
    takes: (t) => {
      const pictures = t.most === 1 ? '一张图片' : `最多 ${t.most} 张图片`
      if (t.most === 0) return '输入文字'
      if (!t.words) return `输入${pictures}，不需要文字`
      return t.fewest === 0 ? `输入文字，可附${pictures}` : `输入文字和${pictures}`
    },
    mask: '蒙版（API）',
    aliases: (names) => `别名：${list(names)}`,
  },
  prices: {
    parts: {
      small: (megapixels) => `不超过 ${megapixels} 百万像素的图片`,
      standard: () => '图片',
      large: (megapixels) => `超过 ${megapixels} 百万像素的图片`,
      huge: (megapixels) => `超过 ${megapixels} 百万像素的图片`,
      upscale: () => '放大到 2 倍',
      input: () => '输入图片',
      enhance: () => '优化提示词',
    },
    others: (prices) => `价格：${list(prices)}`,
    title: '💳 价格',
    line: (p) => `${p.id} · ${credits(p.price)}${p.changed ? ' · 已修改' : ''}${p.off ? ' · 已停用' : ''}`,
    part: (p) => `${p.name}（${p.label}）：${credits(p.price)}${p.changed ? ' · 已修改' : ''}`,
    more: (count) => `……另有 ${number(count)} 个`,
    everyModel: '所有模型（*）',
    none: '没有为所有模型设置价格。',
    saved: '✅ 已保存。此前已接受的请求仍按原价。',
    usage:
      '/price flux-dev 显示该模型的全部价格。/price flux-dev 3 和 /price flux-dev large 5 修改价格，' +
      '/price flux-dev default 恢复默认。/price * input 1 对所有模型生效。',
    switched: (m) => (m.enabled ? `✅ 已重新启用 ${m.model}。` : `✅ 已停用 ${m.model}，进行中的请求不受影响。`),
  },
  late: { done: '你的图片画好了。', failed: '你的请求已结束，没有生成图片。' },
  described: (prompt) => `📝 ${prompt}`,
  history: {
    title: (filters) => ['🖼 你的请求', ...filters].join(' · '),
    empty: '还没有记录。试试：一只可爱的猫 16:9',
    noMatch: (filters) => `没有符合条件的请求：${filters.join('、')}。`,
    line: (h) => `${h.number}. ${h.state} ${h.prompt}（${h.model}，${h.when}）#${h.id}`,
    favourites: '收藏',
    states: { done: '已完成', failed: '失败', waiting: '等待中', cancelled: '已取消' },
  },
  linking: {
    code: (c) =>
      [
        `🔗 请在 ${c.minutes} 分钟内，在你另一个账户所在的地方（Discord、Telegram 或网页）发送：`,
        `/link ${c.code}`,
        ...(c.links.length > 0 ? ['', '或者在那里打开：', ...c.links] : []),
        '',
        '两个账户会合并为一个，共用余额和历史记录。此代码只能使用一次，请勿告诉他人。',
      ].join('\n'),
    sure: (s) =>
      [
        `🔗 你的账户将与以下账户合并为一个：${list(s.people)}。`,
        '合并后双方共用余额、历史记录和 API 密钥，任何一方都能使用全部积分。',
        '请确认两个账户都属于你本人，再点击按钮。如果代码或链接是别人发给你的，请不要操作。',
      ].join('\n'),
    joined: (j) =>
      [
        `🔗 已合并。现在同属一个账户：${list(j.people)}。`,
        `余额为 ${credits(j.balance)}。`,
        ...(j.takenBack > 0
          ? [`每人只能通过一个账户获得新人、签到和邀请积分，因此第二个账户中剩余的 ${credits(j.takenBack)}已收回。`]
          : []),
        ...(j.keysEnded > 0 ? ['其中一个账户属于管理员，因此另一个账户的 API 密钥已失效，其浏览器也已退出登录。'] : []),
        '发送 /unlink 可以退出合并的账户。',
      ].join('\n'),
    person: (p) => `${p.name}（${platform(p.id)}）`,
    unlinked: '✂️ 你在这里有了一个新的独立账户，积分为 0。原来的积分、历史记录和 API 密钥都留在另一个账户中。',
  },
  /** Takes the place of codes in the conversation of the page. */
  secretHidden: (minutes: number) => `此处隐藏的内容只显示 ${minutes} 分钟，之后无法再次查看。`,
  panel: {
    link: (url, minutes) => `🖥 请在 ${minutes} 分钟内打开此链接。它会让一个浏览器登录你的账户，请勿转发：\n${url}`,
    ended: (browsers) => `✅ 已让 ${browsers} 个浏览器退出登录。`,
  },
  admin: {
    banned: (b) =>
      [
        `⛔ ${b.user} 已被${b.until === undefined ? '永久封禁' : `封禁至 ${b.until}`}${b.reason === undefined ? '。' : `：${b.reason}`}`,
        ...(b.cancelled === 0 ? [] : [`已取消 ${number(b.cancelled)} 个请求。`]),
      ].join('\n'),
    unbanned: (user) => `✅ 已解除对 ${user} 的封禁。`,
    notBanned: (user) => `${user} 没有被封禁。`,
    limitsOf: (l) => `${l.user}：${limits(l)} · ${l.tier === null ? '无等级' : `等级 ${l.tier}`}`,
    usualLimits: (l) => `无等级：${limits(l)}`,
    tier: (t) => `等级 ${t.name}：${limits(t)}`,
    report: (r) =>
      [
        `🚩 ${r.reporter ?? '某人（账户已删除）'} 举报了一个结果：`,
        r.reason || '未说明理由。',
        '',
        ...(r.private ? ['该结果是私密的，只有它的主人能查看或删除。'] : []),
        ...(r.people > 1 ? [`已有 ${number(r.people)} 人举报。`] : []),
        `/lookup ${r.id}`,
      ].join('\n'),
    lookup: {
      person: (p) =>
        [
          `👤 ${p.name} · ${p.id} · 注册于 ${p.since}`,
          `💳 ${credits(p.balance)}，暂存 ${number(p.held)}${p.debt === 0 ? '' : `，待偿还 ${number(p.debt)}`}`,
        ].join('\n'),
      closed: (when) => `账户已于 ${when} 删除`,
      limits: (underWay) => `进行中 ${number(underWay)} 个；限制`,
      entries: '最近的积分记录：',
      requests: '最近的请求：',
      keys: 'API 密钥：',
      acts: '管理员的更改：',
      reports: (people) => `被 ${number(people)} 人举报：`,
      reported: (r) => `${r.when}  ${r.name || '已删除的账户'}：${r.reason || '未说明理由'}`,
      request: (r) =>
        `#${r.id} ${r.state} ${r.error === undefined ? '' : `${r.error} · `}${r.model} · ${r.provider} · ${r.seconds.toFixed(1)} 秒 · ${r.when}`,
      key: (k) => `…${k.tail} ${k.name} · ${k.used === undefined ? '从未使用' : `最近使用 ${k.used}`} · ${k.id}`,
      state: (s) => `${s.icon} ${s.state}，尝试 ${s.attempt} 次`,
      people: (p) => (p.payer === undefined ? `用户：${p.person}` : `用户：${p.person}，付款：${p.payer}`),
      price: (p) =>
        `价格 ${credits(p.price)}，已付或暂存 ${number(p.spent)}${p.dollars === undefined ? '' : `，服务方收费 $${p.dollars}`}`,
      reference: (id) => `服务方编号：${id}`,
      tried: (routes) => `之前尝试过：${routes}`,
      times: ({ when, ...seconds }) =>
        [
          `接受于 ${when}`,
          ...Object.entries(seconds).flatMap(([name, after]) =>
            after === undefined ? [] : [`${after.toFixed(1)} 秒后${stages[name as keyof typeof stages]}`],
          ),
        ].join('，'),
    },
    terminal: '终端只能使用管理员命令，npm run admin 会列出全部；有的需要写明用户、模型或兑换码。',
    limitsUsage: [
      '/limits @用户 in_flight 10 per_minute 60',
      '/limits @用户 tier gold',
      '/limits tier gold in_flight 10 per_minute 60',
      '把值写成 default 即可取消该设置。',
    ].join('\n'),
  },
  broadcasts: {
    preview: (text, audiences) =>
      [text, '', '———', '📣 以上是公告预览，收到的人看到的就是这段文字。请选择发送对象：', ...audiences].join('\n'),
    audience: (a) => `${a.number}. ${a.name}：${number(a.people)} 人${a.chosen ? ' ✅' : ''}`,
    everyone: '所有私聊过的人',
    active: (days) => `最近 ${days} 天发过消息`,
    states: {
      draft: '📝 尚未发送',
      running: '📣 正在发送',
      paused: '⏸ 已暂停',
      done: '✅ 已发送',
      stopped: '⏹ 已停止',
    },
    status: (s) =>
      [
        `${s.title} · ${s.audience}`,
        '',
        s.text,
        '',
        `已发送 ${number(s.sent)}，已屏蔽机器人 ${number(s.blocked)}，失败 ${number(s.failed)}，剩余 ${number(s.left)}`,
        ...(s.skipped === 0 ? [] : [`已跳过 ${number(s.skipped)}：开始后关闭公告、被封禁或屏蔽了机器人`]),
        ...(s.unclear.people === 0
          ? []
          : [
              `结果不明 ${number(s.unclear.people)}，可能已送达，不会重发：${list(firstOf(s.unclear.named, s.unclear.people))}`,
            ]),
      ].join('\n'),
    already: {
      running: '正在发送。',
      paused: '已暂停。',
      done: '已经发送完毕。',
      stopped: '已停止。',
    },
    dropped: '✖️ 未发送。',
    muted: '你不会再收到公告。发送 /settings announcements on 可重新接收。',
    unmuted: '你会重新收到公告。',
  },
  privacy: {
    about: ({ days }) =>
      [
        '🔐 我们保存的内容',
        '• 你在各平台上的名称和 ID、你的设置和积分',
        '• 你的请求：文字、参数、输入图片和结果；你的收藏、评分和举报',
        days === undefined ? '• 图片保存到你删除为止' : `• 图片保存 ${days} 天，收藏的会一直保留`,
        '• 预先上传的图片保存一天，网页上的对话最多保存 90 天',
        '• 以你的身份登录网页的浏览器：登录时间和最晚失效时间',
        '• 在 Telegram 上：你最近一次私聊的时间，以及一周内发给你的公告记录',
        '消息和命令本身在回复后立即删除。',
        '',
        '/privacy export：获取包含全部内容的链接',
        '/privacy delete：删除账户以及所有文字和图片',
      ].join('\n'),
    nothing: '我们没有保存关于你的任何内容。',
    link: (url, hours) =>
      `📦 我们保存的关于你的全部内容，打包成一个文件。链接 ${hours} 小时内有效，任何人拿到都能打开，请勿转发：\n${url}`,
    sure: ({ balance, minutes }) =>
      `⚠️ 这会删除你在所有平台上的账户、文字和图片，停止正在进行的请求，吊销你的 API 密钥，并让你的浏览器退出网页。${balance > 0 ? `剩余的 ${balance} 积分将作废。` : ''}此操作无法撤销。按钮 ${minutes} 分钟内有效。`,
    deleted: '你的账户已删除。图片和聊天中的消息会在几分钟内删除（以聊天平台允许为限）。再次发送消息即会重新开始。',
    kept: '你的账户保持不变。',
  },
  exports: {
    about:
      '压缩包包含 fluxbot 保存的关于你的全部内容：data.json 和你的图片。其中列出密钥、代码和浏览器会话，但不含可用于登录的内容。',
    download: '下载',
    over: '此链接无效或已过期。请发送 /privacy export 获取新链接。',
  },
  states: { queued: '⏳', running: '🎨', stored: '🎨', delivered: '✅', failed: '⚠️', cancelled: '✖️' },
  help: (h) =>
    [
      '写下你想看到的画面：一只可爱的猫 16:9',
      '或者发一张图片并附上文字：改成夜晚',
      '',
      ...h.commands,
      '',
      `比例：${h.ratios}`,
      `模型：${h.models}`,
      '参数，写在文字中任意位置：',
      '--ar 16:9 --n 2 --seed 7',
      '--model <id> --no <文字>',
      '--steps 20 --guidance 3.5',
      '--strength 0.8 --enhance',
      '--private --expand left:256',
      '--lora <名称或网址>:0.8',
      ...(h.adminCommands.length === 0
        ? []
        : ['', `管理员：${h.adminCommands.join(' ')}`, '/credits give @用户 5、/credits code 50']),
    ].join('\n'),

  commands: {
    flux: {
      description: '画一张图',
      options: {
        prompt: '画什么；比例（如 16:9）写在最后',
        model: '使用哪个模型',
        aspect: '图片比例',
        image1: '参考图片',
        image2: '第二张图片',
        image3: '第三张图片',
        image4: '第四张图片',
        count: '画几张',
        seed: '相同的种子和文字画出相同的图片',
        steps: '步数越多越慢，细节可能更丰富',
        guidance: '图片贴近文字的程度',
        strength: '结果与原图的差异程度',
        expand: '图片各边扩展多少，例如 left:256,top:50%',
        lora: 'LoRA：名称或 https 网址，可加强度，例如 pixel:0.8',
        negative: '图片里不要出现的内容',
        enhance: '用语言模型优化提示词；ask 表示先给你看',
        private: '只有你能看到回复',
      },
    },
    edit: {
      description: '修改一张图片',
      options: {
        prompt: '要改什么；留空则打开表单',
        id: '自己的图片：图片下方 # 后的编号',
        image: '要修改的图片',
        expand: '图片各边扩展多少，例如 left:256,top:50%',
      },
    },
    upscale: {
      description: '把图片放大 2 倍或 4 倍',
      options: {
        image: '要放大的图片',
        id: '自己的图片：图片下方 # 后的编号',
        scale: '宽和高各放大几倍，默认 2',
      },
    },
    describe: {
      description: '根据图片写出提示词，免费',
      options: { image: '要描述的图片', id: '自己的图片：图片下方 # 后的编号' },
    },
    show: { description: '再次查看自己的图片', options: { id: '图片下方 # 后的编号' } },
    models: { description: '所有模型的价格和用法', options: { page: '更多模型：2、3……' } },
    queue: { description: '进行中的请求和服务的繁忙程度', options: {} },
    cancel: { description: '取消请求并退回积分', options: { id: '/queue 中显示的编号；不填则取消最新的请求' } },
    credits: {
      description: '查看积分和价格',
      options: {
        action: '管理员：修改或查看用户的积分，生成兑换码，或设置 Discord 商品的积分',
        user: '管理员：哪位用户',
        amount: '管理员：积分数量',
        reason: '管理员：原因，供记录',
        uses: '管理员：兑换码可供几人使用，默认 1',
        days: '管理员：兑换码几天后过期',
        sku: '管理员：Discord 商店中 SKU 的编号',
      },
    },
    buy: { description: '用 Telegram Stars 购买积分', options: { package: '套餐；不填则列出全部' } },
    terms: { description: '购买积分的条款', options: {} },
    paysupport: { description: '付款帮助', options: { message: '遇到的问题；不填则显示你的付款' } },
    package: {
      description: '管理员：/buy 出售的积分套餐',
      options: {
        id: '套餐，例如 small；不填则列出全部',
        credits: '积分数量；off 停售，on 恢复出售',
        stars: '价格（Telegram Stars）',
      },
    },
    daily: { description: '每日签到领积分', options: {} },
    redeem: { description: '用兑换码领积分', options: { code: '兑换码，或邀请人给你的 ref_…' } },
    gift: { description: '把积分送给别人', options: { user: '送给谁', amount: '积分数量' } },
    history: {
      description: '最近的请求',
      options: {
        page: '更早的请求：2、3……',
        model: '只看这个模型的请求',
        state: '只看这种状态的请求',
        favourites: '只看收藏',
      },
    },
    settings: {
      description: '你的默认设置：模型、比例、数量、语言等',
      options: {
        model: '未指定模型时使用的模型',
        ratio: '没有附图时使用的比例',
        count: '每次请求画几张',
        enhance: '优化提示词：总是、从不，或先给你看',
        private: '图片是否只有你能看到',
        language: '所有回复使用的语言',
        original: '是否随图片发送原始文件',
        announcements: '是否在私聊中接收公告',
        models: '群管理员：本群可用的模型，用逗号分隔；all 表示全部',
        here: '群管理员：为整个服务器或群设置',
      },
    },
    server: {
      description: '本服务器的规则：频道、模型、默认值',
      options: {
        action: '查看或更改什么',
        channel: '频道，其子区同样适用',
        state: 'on 开启、off 关闭、default 不设规则',
        models: '此处可用的模型，用逗号分隔；all 表示全部',
        model: '未指定模型时使用的模型；default 恢复默认',
        ratio: '没有图片的请求使用的比例；default 恢复默认',
        role: '身份组',
        credits: '积分数量；0 表示不给',
        cap: '每位成员每天可用的积分；0 表示不可用',
        amount: '转入多少积分',
      },
      subcommands: {
        show: '查看本服务器的规则',
        channel: '机器人在哪些频道工作：只在开启的频道，或除关闭的频道以外的所有频道',
        models: '本服务器可以使用哪些模型',
        default: '请求未指定时使用的模型和比例',
        private: '默认只有本人能看到回复，除非本人另有设置',
        pool: '自己的积分不足时，每位成员每天可从积分池使用的积分',
        fund: '把自己的积分转入本服务器的积分池',
        role: '拥有该身份组的成员在此使用机器人的当天获得的积分',
        nsfw: '是否在年龄限制频道以剧透形式显示 NSFW 图片',
      },
    },
    link: {
      description: '合并你在 Discord、Telegram 和网页上的账户',
      options: { code: '另一边的 /link 显示的代码；不填则获取一个' },
    },
    unlink: { description: '退出合并的账户', options: {} },
    privacy: {
      description: '查看、导出或删除我们保存的内容',
      options: { action: 'export：获取全部内容的链接；delete：删除账户' },
    },
    panel: { description: '在浏览器中登录网页', options: { action: 'end：让所有浏览器退出登录' } },
    ban: {
      description: '管理员：禁止某人绘图',
      options: { user: '用户', reason: '原因，会告知对方', days: '天数；不填则永久封禁' },
    },
    unban: { description: '管理员：解除封禁', options: { user: '用户' } },
    broadcast: {
      description: '管理员：在 Telegram 上发送公告',
      options: { text: '公告内容；留空则查看正在发送的公告' },
    },
    refund: {
      description: '管理员：退回请求的积分，或为付款退款',
      options: { id: '请求编号，或付款编号（telegram:…）' },
    },
    limits: {
      description: '管理员：设置请求数量限制',
      options: {
        user: '用户；不填则查看或修改等级',
        in_flight: '同时进行的请求数，或 default',
        per_minute: '每分钟的请求数，或 default',
        tier: '等级：其限制适用于该等级的每个人；default 表示无等级',
      },
    },
    lookup: {
      description: '管理员：查看账户或请求的详情',
      options: { user: '用户', id: '请求编号，即图片下方 # 后面的部分' },
    },
    apikey: {
      description: '供程序使用你的积分的密钥',
      options: {
        key: '创建或吊销；不填则列出你的密钥',
        name: '新密钥的用途；吊销时填它的最后四位',
        cap: '新密钥每月最多使用的积分',
        models: '新密钥可以使用的模型，用逗号分隔',
        user: '管理员：查看或吊销此用户的密钥',
      },
    },
    help: { description: '机器人能做什么', options: {} },
    price: {
      description: '管理员：查看和修改价格',
      options: {
        model: '模型；* 表示所有模型',
        part: '收费项目；不填表示普通图片',
        credits: '新价格；default 表示恢复默认价格',
      },
    },
    model: {
      description: '管理员：启用或停用模型',
      options: { model: '模型', state: 'on 启用，off 停用' },
    },
  },
  aliases: { start: '打个招呼' },
  names: {
    commands: {
      flux: '画图',
      edit: '改图',
      upscale: '放大',
      describe: '描述',
      show: '查看',
      models: '模型列表',
      queue: '队列',
      cancel: '取消',
      credits: '积分',
      buy: '购买',
      terms: '条款',
      paysupport: '付款帮助',
      package: '套餐',
      daily: '签到',
      redeem: '兑换',
      gift: '赠送',
      history: '历史',
      settings: '设置',
      server: '服务器',
      link: '合并账户',
      unlink: '退出合并',
      privacy: '隐私',
      panel: '网页',
      ban: '封禁',
      unban: '解封',
      broadcast: '公告',
      refund: '退款',
      limits: '限额',
      lookup: '查询',
      apikey: '密钥',
      help: '帮助',
      price: '价格',
      model: '模型开关',
    },
    aliases: { imagine: '想象', start: '开始' },
    subcommands: {
      show: '查看',
      channel: '频道',
      models: '可用模型',
      default: '默认值',
      private: '私密回复',
      pool: '积分池',
      fund: '转入积分',
      role: '身份组',
      nsfw: '限制级',
    },
    options: {
      action: '操作',
      amount: '数量',
      announcements: '公告',
      aspect: '比例',
      cap: '上限',
      channel: '频道',
      code: '代码',
      count: '张数',
      credits: '积分',
      days: '天数',
      enhance: '优化',
      expand: '扩展',
      favourites: '收藏',
      guidance: '引导',
      here: '本群',
      id: '编号',
      image: '图片',
      image1: '图片1',
      image2: '图片2',
      image3: '图片3',
      image4: '图片4',
      in_flight: '同时请求数',
      key: '密钥',
      language: '语言',
      lora: 'lora',
      message: '留言',
      model: '模型',
      models: '可用模型',
      name: '名称',
      negative: '排除',
      original: '原图',
      package: '套餐',
      page: '页码',
      part: '项目',
      per_minute: '每分钟请求数',
      private: '私密',
      prompt: '提示词',
      ratio: '比例',
      reason: '原因',
      role: '身份组',
      scale: '倍数',
      seed: '种子',
      sku: '商品',
      stars: '星星',
      state: '状态',
      steps: '步数',
      strength: '强度',
      text: '内容',
      tier: '等级',
      user: '用户',
      uses: '次数',
    },
    choices: {
      on: '开启',
      off: '关闭',
      default: '默认',
      ask: '先给我看',
      give: '增加',
      take: '扣除',
      set: '设为',
      show: '查看',
      code: '生成兑换码',
      sku: '设置商品的积分',
      done: '已完成',
      failed: '失败',
      waiting: '进行中',
      cancelled: '已取消',
      list: '列出',
      create: '创建',
      revoke: '吊销',
      export: '导出',
      delete: '删除账户',
      end: '退出所有浏览器',
      small: '小图',
      standard: '普通图片',
      large: '大图',
      huge: '特大图',
      upscale: '放大',
      input: '参考图片',
      enhance: '优化提示词',
    },
  },

  page: {
    placeholder: '例如：一只可爱的猫 16:9',
    send: '发送',
    attach: '添加图片',
    drop: '松开即可添加图片',
    remove: '移除',
    heading: '想看到什么？',
    intro: '写下你想看到的画面，比例写在最后。附上图片即可修改它。',
    examples: ['一只可爱的猫 16:9', '海边的红房子，日落 3:2', '夜晚的城市 9:16'],
    help: '查看全部功能：/help',
    conversation: '对话',
    working: '正在处理',
    lost: '连接已断开，正在重试……',
    failed: '发送失败，请重试。',
    you: '已登录为',
    administrator: '已登录为管理员',
    youHint: '此浏览器的账户，拥有管理员权限',
    language: 'English',
    languageHint: 'Switch to English',
    open: '查看原图',
    personHint: '你的账户，余额和历史与聊天中相同',
    key: 'API 密钥（在聊天中发送 /apikey 创建），或服务运营者的 API_KEY',
    close: '关闭',
    next: '下一张',
    previous: '上一张',
    download: '下载原图',
    commands: '命令',
    menu: { history: '历史', credits: '积分', settings: '设置', models: '模型', help: '帮助' },
    options: {
      title: '选项',
      reset: '重置',
      model: '模型',
      automatic: '自动',
      aspect: '比例',
      count: '数量',
      seed: '种子',
      random: '随机',
      negative: '排除',
      negativeHint: '不应出现的内容',
      strength: '改动幅度',
      strengthHint: '结果可以偏离原图的程度',
      usual: '默认',
      enhance: '优化提示词',
      on: '开',
      off: '关',
      ask: '先问我',
    },
    enter: '登录',
    signInHint: '也可以在私聊中向机器人发送 /panel，然后打开它回复的链接。',
    panelLink: '聊天中的链接会让此浏览器登录你的账户。',
    signOut: '退出登录',
    starting: '正在启动，请稍后再试。',
    sign_in: '请先登录：使用 API 密钥、/panel 给出的链接，或 fluxbot 启动时输出的链接。',
    foreign: '请用 PUBLIC_URL 中的地址打开此页面，或把 PUBLIC_URL 设为你使用的地址。',
    wrong_key: '密钥不正确。',
    wrongLink: '此链接无效。请打开 fluxbot 最近输出的链接。',
    limited_key: '此密钥有自己的限制，不能用来登录网页。请使用没有限制的密钥，或发送 /panel。',
    link_over: '此链接已被使用，或已超过 10 分钟。请重新发送 /panel。',
    too_many_tries: '尝试次数过多，请稍等一分钟。',
    too_many_acts: '你之前的操作还在处理中，请稍等片刻再试。',
    too_many_pages: '此页面打开得太多，请关闭其中一个。',
    empty_message: '请先写点什么，或附上图片。',
    message_too_long: '内容太长了。',
    too_many_files: '每条消息最多 14 张图片。',
    image_too_big: '每张图片最大 10 MB。',
    upload_too_big: '一条消息的图片总共最大 50 MB。',
    image_type: '只能读取 PNG、JPEG 和 WebP 图片。',
    bad_message: '无法读取这条消息，请刷新页面后重试。',
    press_failed: '按钮没有生效，请重试。',
    busy: '同时上传的人太多，请稍后再试。',
  },

  keptEnd: (message) => `${message}要重新尝试，请换一个新的 Idempotency-Key。`,
  errors: {
    empty_prompt: (d) =>
      amountOf(d.images) > 0 ? '请告诉我要怎么改，例如：改成夜晚' : '请告诉我要画什么，例如：/flux 一只可爱的猫 16:9',
    prompt_too_long: (d) => `文字太长，最多 ${d.limit} 个字符。`,
    model_off: (d) => `模型 ${d.model} 目前已停用。可用模型：${list(d.available)}。`,
    unknown_model: (d) => `没有名为“${d.name}”的模型。可用模型：${list(d.available)}。`,
    unknown_ratio: (d) => `${d.model} 不支持比例 ${d.ratio}。支持：${list(d.available)}。`,
    bad_option: (d) =>
      d.command !== undefined
        ? `请在 /${d.command} 后面写 ${either(d.available)}。`
        : d.value === ''
          ? `${d.name} 需要一个值${d.expected === undefined ? '' : `，例如 ${d.expected}`}。`
          : d.limit !== undefined
            ? `${d.name} 太长，最多 ${d.limit} 个字符。`
            : `${d.name} 不能是“${d.value}”，请使用${d.type === 'integer' ? '整数' : ''} ${d.expected}。`,
    unknown_option: (d) => `没有选项 ${d.name}。可用：${list(d.available)}。`,
    provider_flag: (d) =>
      `${d.model} 会把 ${d.name} 当作它自己的参数，这可能改变价格或模型。请去掉它，或去掉前面的横线。`,
    not_taken: (d) =>
      `${d.model} 不支持 ${d.name}。${
        list(d.available) === '' ? '请去掉它，或换一个模型。' : `请去掉它，或换用支持的模型：${list(d.available)}。`
      }`,
    area_not_taken: (d) =>
      `${d.model} 不支持 ${d.name}${d.together === undefined ? '' : ' 与蒙版同时使用'}。${
        list(d.available) === '' ? '这里也没有其他支持的模型，请去掉它。' : `请换用支持的模型：${list(d.available)}。`
      }`,
    area_needed: (d) => {
      const how = [
        ...(d.grows ? [`写明图片各边扩展多少（${d.name} left:256）`] : []),
        ...(d.masks ? ['通过 API 发送蒙版'] : []),
      ]
      return `${d.model} 只绘制图片的一部分：请${how.join('或')}，或换一个模型。`
    },
    shape_kept: (d) => `扩展图片或使用蒙版时，结果的尺寸由原图决定，请去掉 ${d.name}。`,
    mask_size: (d) => `蒙版是 ${d.size} 像素，而图片是 ${d.expected} 像素：蒙版须与第一张图片大小相同。`,
    mask_empty: () => '蒙版没有标出任何区域。请把要重绘的区域设为透明，或在不透明的黑色图片中涂成白色。',
    lora_address: (d) =>
      `“${d.value}”不是 LoRA。请写 /models 列出的名称，或不含密码、密钥和端口的 https 网址，例如 ${d.expected}。`,
    unknown_lora: (d) => {
      const hosts = list(d.hosts)
      const cures = [
        ...(list(d.available) === '' ? [] : [`它自己的 LoRA（${list(d.available)}）`]),
        ...(hosts === '' ? [] : [hosts === '*' ? '任意网站上的 LoRA 网址' : `${hosts} 上的 LoRA 网址`]),
      ]
      return `${d.model} 不能使用 LoRA ${d.lora}。${cures.length === 0 ? '请去掉它。' : `请写${cures.join('，或')}。`}`
    },
    too_many_loras: (d) => `${d.model ?? '一次请求'} 最多支持 ${d.limit} 个 LoRA。`,
    words_not_taken: (d) => `${d.model} 只根据图片绘制，请去掉文字。`,
    image_needed: (d) => `${d.model} 需要一张参考图片，请附上。`,
    too_many_images: (d) =>
      d.limit === 0 ? `${d.model} 只支持文字，请去掉图片。` : `${d.model} 最多支持 ${d.limit} 张图片。`,
    image_too_big: (d) => `图片太大：${pictureLimit(d)}。`,
    image_type: () => '只支持 PNG、JPEG 和 WebP 图片，请转换后重新发送。',
    image_unreadable: () => '图片已损坏，请另存为 PNG 或 JPEG 后重新发送。',
    image_unreachable: () => '无法获取这张图片，请重新发送。',
    result_too_big: (d) =>
      `放大 ${d.scale} 倍后图片将达到 ${number(amountOf(d.width))} × ${number(amountOf(d.height))} 像素，而${
        d.limitSide === undefined
          ? `总像素最多为 ${amountOf(d.limitMegapixels) * 100} 万`
          : `单边最多 ${number(amountOf(d.limitSide))} 像素`
      }。请选择较小的倍数，或使用较小的图片。`,
    result_too_small: (d) =>
      `结果只有 ${number(amountOf(d.width))} × ${number(amountOf(d.height))} 像素，而每边至少需要 ${d.limitSide} 像素，请使用较大的图片。`,
    unknown_command: (d) => `没有命令 /${d.name}。发送 /help 查看可用命令。`,
    no_credits: (d) =>
      d.balance === undefined
        ? `该账户不足 ${d.price} 积分。`
        : `需要 ${d.price} 积分，你还有 ${d.balance} 积分。${d.pool === undefined ? '可以请管理员赠送，也可以在 Telegram 上用 /buy 购买。' : `本服务器积分池今天还能为你支付 ${d.pool} 积分。`}`,
    too_many_in_flight: (d) => `你已有 ${d.limit} 个请求正在进行，请等其中一个结束后再试。`,
    too_fast: (d) => `每分钟最多 ${d.limit} 次请求，请 ${d.seconds} 秒后再试。`,
    busy: (d: Data) => `排队的请求太多，约需 ${number(amountOf(d.minutes))} 分钟，请稍后再试。`,
    banned: (d: Data) =>
      `你已被${d.until === undefined ? '永久封禁' : `封禁至 ${d.until}`}${d.reason === undefined ? '。' : `：${d.reason}`}`,
    admin_not_banned: () => '不能封禁管理员，也不能封禁运营者程序所用的账户。',
    admins_only: (d) =>
      d.identity === undefined
        ? '只有管理员的密钥可以这样做。'
        : `只有管理员可以这样做。（你是 ${d.identity}；ADMIN_IDS 列出了管理员。）`,
    unknown_user: (d) => `找不到 ${d.user}，对方需要先使用过一次机器人。`,
    ambiguous: (d) => `有多个结果符合 ${d.name}，请填写完整的编号，例如 telegram:123。`,
    link_code_wrong: () => '没有这个代码。请在另一边发送 /link 获取。',
    link_code_over: (d) => `此代码${d.used === true ? '已被使用' : '已过期'}。请在另一边发送 /link 重新获取。`,
    link_own_code: () => '此代码来自当前账户。请在你另一个账户所在的地方输入。',
    link_admin: () => '这是管理员的账户，合并会把管理权限交给对方。请在这里发送 /link，再到另一边输入代码。',
    too_many_link_codes: (d) => `你在一小时内输错了 ${d.limit} 次代码。请在 ${d.minutes} 分钟后再试。`,
    only_identity: () => '此账户没有与其他账户合并，无法退出。',
    link_operator: () => '此浏览器以服务管理员的身份登录，其账户无法合并。请在聊天中发送 /link。',
    debt_first: (d) => `此账户因退款还欠 ${credits(amountOf(d.debt))}，还清后才能退出。`,
    bad_amount: (d) => `请写 1 到 ${d.limit} 之间的整数，例如：/credits give @用户 5`,
    daily_off: () => '这里没有每日签到积分。',
    unknown_code: () => '没有这个兑换码，请检查后按原样填写。',
    code_expired: () => '这个兑换码已过期。',
    code_used_up: () => '这个兑换码的使用次数已用完。',
    too_many_codes: (d) => `你在一小时内输错了 ${d.limit} 次兑换码。请在 ${d.minutes} 分钟后再试。`,
    not_invitable: (d) => notInvitable.get(String(d.reason)) ?? '你不能使用这个邀请。',
    gift_to_self: () => '不能把积分送给自己。',
    gift_limit: (d) => `每天（UTC）最多送出 ${credits(amountOf(d.limit))}，今天还可以送 ${number(amountOf(d.left))}。`,
    not_giftable: (d) =>
      `你的 ${credits(amountOf(d.balance))}中可以送出 ${number(amountOf(d.giftable))}。新用户、签到和邀请所得的积分只能自己画图用，并会优先使用。`,
    unknown_order: () => '没有这个订单。请发送 /buy 获取新账单。',
    unknown_payment: (d) => `没有付款 ${d.charge}。`,
    package_over: () => '这个套餐已停售或调价。请发送 /buy 查看在售套餐。',
    invoice_of_other: () => '这张账单属于另一个账户。请发送 /buy 获取你自己的账单。',
    not_charged: () => '这个请求没有扣费，无需退回。',
    key_missing: () =>
      '需要 API 密钥：Authorization: Bearer <密钥>。在聊天中发送 /apikey create 可以创建，API_KEY 是服务运营者的密钥。',
    key_wrong: () => 'API 密钥无效或已被吊销。',
    too_many_wrong_keys: (d) => `来自你的地址的错误 API 密钥太多，请 ${d.seconds} 秒后再试。`,
    model_not_allowed: (d) => `此 API 密钥不能使用 ${d.model}，可用：${list(d.available)}。`,
    cap_reached: (d) => `此 API 密钥每月最多使用 ${d.limit} 积分，已使用 ${d.spent}。`,
    too_many_keys: (d) => `你已有 ${d.limit} 个密钥，不能再创建，请先吊销一个。`,
    unknown_key: (d) => `没有密钥“${d.name}”，或有多个以此结尾；/apikey 会列出它们的编号。`,
    unknown_request: () => '没有这个请求。',
    privately_only: () =>
      'API 密钥、登录链接和兑换码只在 Discord 或 Telegram 的私聊中显示，以免被保存或被他人看到。服务运营者也可以设置 API_KEY。',
    unknown_path: (d) => `${d.name} 不存在。`,
    wrong_method: (d) => `此路径不支持 ${d.method}，请使用 ${list(d.allowed)}。`,
    overloaded: () => '服务正在处理大量大型请求，请稍后再试。',
    bad_idempotency_key: () => 'Idempotency-Key 无效：应为 1–255 个可打印字符。',
    idempotency_erased: () => '使用这个 Idempotency-Key 的请求已被删除；新请求请换一个。',
    idempotency_reused: () => '这个 Idempotency-Key 已用于另一个请求。',
    idempotency_in_flight: () => '带有这个 Idempotency-Key 的请求正在处理。',
    still_running: () => '该请求尚未结束：请先取消，或等待其结束。',
    too_many_uploads: (d) => `每天最多预先上传 ${d.limit} 张图片。`,
    unknown_upload: () => '你没有这张图片：预先上传的图片只保留一天，请重新上传。',
    request_too_big: (d) => `一次请求的所有图片合计不能超过 ${d.limitMb} MB。`,
    provider_missing: (d) => `${d.model} 暂不可用：没有配置提供它的图像服务。`,
    provider_busy: () => '图像服务繁忙，请过几分钟再试。',
    provider_failed: (d) => {
      if (d.unknownHost !== undefined) return `找不到 ${d.unknownHost}，请检查网络和地址。`
      if (d.title !== undefined) return `无法连接 ${d.title}，请过几分钟再试。`
      return `图像服务出错${d.reason ? `：${d.reason}` : ''}${d.lasting ? '。' : '，请重试。'}`
    },
    provider_timeout: () => '图像服务超时。',
    provider_refused: (d) => `图像服务没有接受这个请求${d.reason ? `：${d.reason}` : '。'}`,
    provider_account: (d) =>
      d.title === undefined
        ? '图像服务暂时拒绝了我们的账户，需要服务运营者处理。'
        : `${d.title} 不接受此密钥，或其账户目前无法绘图。`,
    provider_quota: () => '图像服务今天的额度已用完，请换一个模型。',
    work_gone: () => '图像服务已没有这张图片的任务记录，无法继续处理。请使用“修改”或“换模型”，或重新绘制。',
    enhancer_missing: (d) => `这里没有配置提示词优化，请去掉 ${d.name}。`,
    describer_missing: () =>
      '此处无法描述图片：尚未配置语言模型。（服务运营者请设置 EXTERNAL_API_BASE 和 EXTERNAL_MODEL，或 MIDJOURNEY_URL。）',
    images_not_read: (d) => `此处无法描述图片：语言模型 ${d.model} 不支持图片输入，需要服务运营者更换模型。`,
    not_described: (d) => (d.refused ? '语言模型拒绝描述这张图片。' : '语言模型没有给出这张图片的描述。'),
    forged: () => '无法验证发送者。',
    unknown_config: (d) => `没有配置“${d.id}”。`,
    unknown_provider: (d) => `没有服务“${d.name}”。可用：${list(d.available)}。`,
    moderated: () => '图像服务因内容原因拒绝了请求，请换一种说法。',
    bad_result: (d) => {
      if (hasLimit(d)) return `图像服务返回的图片太大，无法保存：${pictureLimit(d)}。`
      if (d.lasting) return `图像服务没有返回可用的图片：${d.reason}。可以换一个模型。`
      return '图像服务没有返回可用的图片，可以换一个模型。'
    },
    not_stored: () => '图片已绘制完成，但未能保存，需要服务运营者处理。',
    unresolved: () => '图像服务未确认收到请求，已放弃，请重试。',
    deadline: () => '等待时间过长，已放弃。',
    input_lost: () => '你发送的图片未能保存，请重新发送。',
    interrupted: () => '多次被中断，已放弃。',
    cancelled: () => '已取消。',
    anonymous: () => '账户属于个人，而这条消息没有显示发送者。请以个人身份发送，不要以群组或频道的名义发送。',
    unknown_button: () => '此按钮已失效，请重新发起请求。',
    not_yours: () => '只有发起该请求的人可以这样做。',
    not_your_question: () => '只有按下按钮的人可以回答。想修改这张图片，请自己按一下按钮。',
    words_only: () => '这个问题只需文字回答，请不要附图片。',
    form_late: () => '打开表单超时，请再按一次按钮。',
    edited_late: () => '这个请求已经开始处理，编辑消息不会改变它。请把新的内容作为新消息发送。',
    edited_part: () => '只有单条消息的请求才能通过编辑修改。请取消请求，再重新发送全部内容。',
    late_part: () => '这部分内容到得太晚：其余内容已经开始处理，所以这部分没有采用。请重新发送全部内容。',
    offer_over: () => '这张图片已不再保留，请重新发送。',
    draft_over: () => '你已经选择过了，或选择已过期。请重新发送请求。',
    cannot_write_privately: () => '机器人还不能给你发私信。请先与它开始私聊，然后重新发送请求。',
    groups_only: () => '此命令设置群的默认值，请在群里使用。',
    question_over: () => '这个问题已经回答过，或已过期。请重新按一下按钮。',
    price_rose: (d) =>
      `价格已从 ${credits(amountOf(d.shown))}变为 ${credits(amountOf(d.price))}。如果同意，请再操作一次。`,
    nothing_to_edit: () => '要修改哪张图片？请附上图片、回复图片，或写上自己图片下方的编号：/edit 1a2b3c4d 改成夜晚',
    no_picture: () => '这条消息里没有可用的图片。',
    no_recipe: () => '这条消息里没有你可以查看的、由我绘制的图片。',
    already_ended: () => '该请求已经结束。',
    pictures_expired: (d) =>
      `这些图片已被删除${d.days === undefined ? '，因为保存时间已到' : `：图片只保存 ${d.days} 天`}。收藏的图片会一直保留。`,
    confirmation_over: () => '此按钮已失效，请重新发送 /privacy delete。',
    account_closed: () => '该账户已删除。请重新发送消息，即可使用新账户。',
    no_broadcasts: () => '公告只能在 Telegram 上发送：请在那里给机器人发送 /broadcast。',
    own_only: (d) => `“${d.name}”是个人设置，不适用于群组：请去掉 here。`,
    flagged: () => '图像服务将此图片标记为 NSFW，只能在允许此类内容的服务器的年龄限制频道中查看。',
    not_here: (d) =>
      list(d.available) === ''
        ? '服务器管理者已在此频道关闭机器人。'
        : `机器人不在此频道工作，可用的频道：${spaced(d.available)}`,
    model_not_here: (d) => `这里不能使用 ${d.model}，可用的模型：${list(d.available)}。`,
    last_model: (d) => `${d.model} 是这里唯一可用的模型，请先允许另一个模型。`,
    managers_only: () => '只有可以管理此服务器或群组的人可以这样做。',
    chat_refused: () => '此聊天不允许机器人回复。',
    chat_unavailable: () => '无法连接到聊天平台。',
    internal: () => '我们这边出了点问题，请稍后再试。',
  },
}
