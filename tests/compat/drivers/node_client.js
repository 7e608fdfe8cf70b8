// Every mass, media, tag and follower call of co-wechat-api, one after the other.
// `node node_client.js MODULES URL APPID SECRET`, otherwise as `wechatpy_client.py`.
'use strict';

const { createRequire } = require('module');

const [modules, url, appid, secret] = process.argv.slice(2);
const WechatAPI = createRequire(modules + '/')('co-wechat-api');
const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const api = new WechatAPI(appid, secret);
api.prefix = api.fileServerPrefix = url + '/cgi-bin/';
const results = {};
const FILES = ['mass_send', 'media', 'material', 'user', 'group'];

async function call(name, ...words) {
  let label = name;
  if (typeof words[0] === 'object' && words[0] && words[0].label) label = words.shift().label;
  try {
    const value = await api[name](...words);
    results[label] = { ok: true, value: JSON.stringify(value === undefined ? null : value).slice(0, 200) };
    return value;
  } catch (error) {
    results[label] = { ok: false, why: String(error.message) };
    return undefined;
  }
}

async function main() {
  const { openids, paths } = given;
  await call('getAccessToken');
  const media = await call('uploadMedia', paths.jpeg, 'image');
  await call('getMedia', media && media.media_id);
  await call('uploadImage', paths.jpeg);
  const video = await call('uploadMedia', { label: 'uploadMedia(video)' }, paths.mp4, 'video');
  const words = { media_id: video && video.media_id, title: 't', description: 'd' };
  const made = await call('uploadMPVideo', words);
  for (const [kind, path] of [['Image', paths.jpeg], ['Voice', paths.amr], ['Video', paths.mp4], ['Thumb', paths.jpeg]]) {
    await call(`upload${kind}Media`, path);
    if (kind !== 'Image') await call(`upload${kind}`, path);
    if (kind !== 'Video') await call(`upload${kind}Material`, path);
  }
  const kept = await call('uploadMaterial', paths.jpeg, 'image');
  const about = { title: '标题', introduction: '简介' };
  await call('uploadVideoMaterial', paths.mp4, about);
  await call('getMaterial', kept && kept.media_id);
  await call('getMaterialCount');
  await call('getMaterials', 'image', 0, 20);
  await call('removeMaterial', kept && kept.media_id);
  await call('uploadNews', { articles: [] });
  await call('uploadNewsMaterial', { articles: [] });
  await call('updateNewsMaterial', { media_id: 'x', index: 0, articles: {} });
  await call('getFollowers');
  await call('getUser', openids[0]);
  await call('batchGetUsers', openids.slice(0, 3));
  await call('updateRemark', openids[0], '老客户');
  const tag = await call('createTags', 'VIP');
  const tagId = tag && tag.tag.id;
  await call('getTags');
  await call('updateTag', tagId, '会员');
  await call('batchTagging', openids.slice(0, 3), tagId);
  await call('getUsersFromTag', tagId, '');
  await call('getIdList', openids[0]);
  await call('massSendText', { label: 'massSendText(tag)' }, '按标签', tagId);
  await call('batchUnTagging', openids.slice(0, 3), tagId);
  await call('deleteTag', tagId);
  await call('getGroups');
  await call('getWhichGroup', openids[0]);
  await call('createGroup', 'VIP');
  await call('updateGroup', 100, '会员');
  await call('moveUserToGroup', openids[0], 100);
  await call('moveUsersToGroup', openids, 100);
  await call('removeGroup', 100);
  const text = { label: 'massSendText(openids)' };
  const sent = await call('massSendText', text, '周五开课', openids, 'co-wechat-1');
  const voice = await call('uploadMedia', { label: 'uploadMedia(voice)' }, paths.amr, 'voice');
  const card = { msgtype: 'wxcard', wxcard: { card_id: 'pCARD' } };
  await call('massSend', { label: 'massSend(wxcard)' }, card, openids);
  await call('massSendImage', media && media.media_id, openids);
  await call('massSendVoice', voice && voice.media_id, openids);
  await call('massSendMPVideo', words, openids);
  await call('massSendVideo', made && made.media_id, openids);
  await call('massSendNews', given.draft, openids);
  await call('massSendText', { label: 'massSendText(all)' }, '致所有人', true);
  await call('previewText', openids[0], '预览');
  await call('previewImage', openids[0], media && media.media_id);
  await call('previewVoice', openids[0], voice && voice.media_id);
  await call('previewVideo', openids[0], made && made.media_id);
  await call('previewNews', openids[0], given.draft);
  await call('getMassMessageStatus', sent && sent.msg_id);
  await call('deleteMass', given.ended);
  const library = createRequire(modules + '/');
  const methods = FILES.flatMap((file) => Object.keys(library(`co-wechat-api/lib/api_${file}`)));
  process.stdout.write(JSON.stringify({ calls: results, methods }) + '\n');
}

main();
