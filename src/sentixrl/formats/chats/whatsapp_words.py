"""What WhatsApp itself writes into an export, language by language.

Contract: these are the program's own words, as public parsers and tests name them; the table in
``docs/chat-formats.md`` says which. Letter case, a full stop at the end and the angle brackets
around a whole text make no difference.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

OMITTED = "media left out"
ATTACHED = "media attached"
DELETED = "deleted"
LOCATION = "location"
SYSTEM = "system line"


@dataclass(frozen=True, slots=True)
class Words:
    """WhatsApp's words in one language.

    Attributes:
        omitted: Stand for a picture, a voice message and the like that was not exported.
        deleted: Stand for a message that was taken back.
        edited: Follow the text of a message that was changed, in angle brackets.
        notices: How notices begin that iPhones write as if a person had said them.
        attached: Follow a file's name, in round brackets, on Android.
        calls: Stand for a call that nobody took.
    """

    omitted: tuple[str, ...]
    deleted: tuple[str, ...]
    edited: tuple[str, ...]
    notices: tuple[str, ...]
    attached: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


WORDS: dict[str, Words] = {
    "en": Words(
        (
            "media omitted",
            "image omitted",
            "video omitted",
            "video note omitted",
            "audio omitted",
            "sticker omitted",
            "gif omitted",
            "document omitted",
            "contact card omitted",
        ),
        ("this message was deleted", "you deleted this message"),
        ("this message was edited", "message edited"),
        (
            "messages and calls are end-to-end encrypted",
            "messages and calls are now end-to-end encrypted",
            "messages to this chat and calls are now secured with end-to-end encryption",
            "your security code with",
        ),
        ("file attached",),
        calls=(
            "missed voice call",
            "missed video call",
            "missed group voice call",
            "missed group video call",
        ),
    ),
    "es": Words(
        (
            "multimedia omitido",
            "archivo omitido",
            "imagen omitida",
            "video omitido",
            "vídeo omitido",
            "audio omitido",
            "sticker omitido",
            "gif omitido",
            "documento omitido",
            "tarjeta de contacto omitida",
        ),
        ("se eliminó este mensaje", "eliminaste este mensaje", "mensaje eliminado"),
        ("se editó este mensaje", "mensaje editado"),
        ("los mensajes y las llamadas están cifrados de extremo a extremo",),
        ("archivo adjunto", "archivo adjuntado"),
        calls=(
            "llamada perdida",
            "llamada de voz perdida",
            "videollamada perdida",
        ),
    ),
    "pt": Words(
        (
            "mídia oculta",
            "mídia omitida",
            "arquivo de mídia oculto",
            "imagem ocultada",
            "imagem oculta",
            "imagem não revelada",
            "vídeo omitido",
            "vídeo não revelado",
            "áudio ocultado",
            "ficheiro de áudio não revelado",
            "figurinha omitida",
            "sticker não revelado",
            "gif omitido",
            "gif não revelada",
            "documento omitido",
            "documento não revelado",
            "cartão do contato omitido",
            "contacto não revelado",
        ),
        (
            "mensagem apagada",
            "esta mensagem foi apagada",
            "você apagou esta mensagem",
            "apagou esta mensagem",
        ),
        ("mensagem editada",),
        (
            "as mensagens e as chamadas são protegidas com a criptografia de ponta a ponta",
            "as mensagens e ligações são protegidas com a criptografia",
            "as mensagens e chamadas são encriptadas ponto a ponto",
        ),
        ("arquivo anexado", "ficheiro anexado"),
        calls=(
            "chamada de voz perdida",
            "chamada de vídeo perdida",
            "videochamada perdida",
            "ligação de voz perdida",
        ),
    ),
    "de": Words(
        (
            "medien ausgeschlossen",
            "medien ausgelassen",
            "medien weggelassen",
            "bild weggelassen",
            "video weggelassen",
            "audio weggelassen",
            "sticker weggelassen",
            "gif weggelassen",
            "dokument weggelassen",
            "kontaktkarte ausgelassen",
            "kontaktkarte weggelassen",
        ),
        ("diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht"),
        ("diese nachricht wurde bearbeitet",),
        ("nachrichten und anrufe sind ende-zu-ende-verschlüsselt",),
        ("datei angehängt",),
        calls=(
            "verpasster sprachanruf",
            "verpasster videoanruf",
        ),
    ),
    "fr": Words(
        (
            "fichier omis",
            "médias omis",
            "image absente",
            "image omise",
            "vidéo absente",
            "vidéo omise",
            "audio omis",
            "audio absent",
            "sticker omis",
            "sticker absent",
            "gif retiré",
            "gif absent",
            "document manquant",
            "document absent",
            "fiche contact manquante",
            "fiche contact absente",
        ),
        ("ce message a été supprimé", "vous avez supprimé ce message"),
        ("ce message a été modifié",),
        (
            "les messages et les appels sont chiffrés de bout en bout",
            "les messages et les appels sont protégés",
            "les messages envoyés dans cette discussion et les appels sont désormais protégés",
        ),
        ("fichier joint",),
        calls=(
            "appel vocal manqué",
            "appel vidéo manqué",
        ),
    ),
    "it": Words(
        (
            "media omesso",
            "media omessi",
            "media eliminati",
            "immagine omessa",
            "video omesso",
            "audio omesso",
            "sticker non incluso",
            "sticker omesso",
            "gif esclusa",
            "gif omesso",
            "documento omesso",
            "scheda contatto omessa",
        ),
        ("questo messaggio è stato eliminato", "hai eliminato questo messaggio"),
        ("questo messaggio è stato modificato",),
        (
            "i messaggi e le chiamate sono crittografati",
            "il tuo codice di sicurezza con",
        ),
        ("file allegato",),
        calls=(
            "chiamata vocale persa",
            "videochiamata persa",
        ),
    ),
    "nl": Words(
        (
            "visitekaartje weggelaten",
            "media weggelaten",
            "afbeelding weggelaten",
            "video weggelaten",
            "audio weggelaten",
            "sticker weggelaten",
            "gif weggelaten",
            "document weggelaten",
        ),
        ("dit bericht is verwijderd", "u hebt dit bericht verwijderd"),
        ("dit bericht is bewerkt",),
        (
            "berichten en gesprekken worden end-to-end versleuteld",
            "berichten en oproepen zijn end-to-end versleuteld",
        ),
        ("bestand bijgevoegd",),
        calls=(
            "gemist spraakgesprek",
            "gemist videogesprek",
            "gemiste spraakoproep",
            "gemiste video-oproep",
        ),
    ),
    "ru": Words(
        (
            "файл пропущен",
            "без медиафайлов",
            "медиа пропущены",
            "изображение отсутствует",
            "видео отсутствует",
            "аудиофайл отсутствует",
            "аудио отсутствует",
            "стикер не добавлен",
            "стикер отсутствует",
            "gif отсутствует",
            "документ отсутствует",
            "карточка контакта отсутствует",
        ),
        (
            "данное сообщение удалено",
            "сообщение удалено",
            "вы удалили данное сообщение",
            "вы удалили это сообщение",
        ),
        ("сообщение изменено", "данное сообщение изменено"),
        (
            "сообщения и звонки защищены сквозным шифрованием",
            "сообщения в данной группе теперь защищены сквозным шифрованием",
        ),
        ("файл добавлен", "файл прикреплен"),
        calls=(
            "пропущенный аудиозвонок",
            "пропущенный видеозвонок",
        ),
    ),
    "uk": Words(
        (
            "медіа пропущено",
            "зображення відсутнє",
            "відео відсутнє",
            "аудіо відсутнє",
            "наклейку не додано",
            "gif-анімацію пропущено",
            "документ пропущено",
            "картка контакту відсутня",
        ),
        ("це повідомлення було видалено", "ви видалили це повідомлення"),
        (),
        ("повідомлення й дзвінки захищено наскрізним шифруванням",),
        ("файл додано",),
        calls=(
            "пропущений аудіодзвінок",
            "пропущений відеодзвінок",
        ),
    ),
    "cs": Words(
        (
            "média vynechána",
            "média vynechány",
            "obrázek vynechán",
            "video vynecháno",
            "zvukový soubor vynechán",
            "nálepka vynechána",
            "gif vynechán",
            "dokument vynechán",
            "vizitka vynechána",
        ),
        ("tato zpráva byla smazána", "tuto zprávu jste smazal/a"),
        (),
        ("zprávy a hovory jsou opatřeny koncovým šifrováním", "bezpečnostní kód mezi vámi"),
        ("soubor byl přiložen",),
        calls=(
            "zmeškaný hovor",
            "zmeškaný hlasový hovor",
            "zmeškaný videohovor",
        ),
    ),
    "tr": Words(
        (
            "medya atlanmış",
            "kişi kartı dahil edilmedi",
            "medya dahil edilmedi",
            "görüntü dahil edilmedi",
            "video dahil edilmedi",
            "ses dahil edilmedi",
            "çıkartma dahil edilmedi",
            "gif dahil edilmedi",
            "belge dahil edilmedi",
        ),
        ("bu mesaj silindi", "bu mesajı sildiniz"),
        ("bu mesaj düzenlendi", "bu mesajı düzenlediniz"),
        ("mesajlar ve aramalar uçtan uca şifrelidir",),
        ("dosya ekli", "dosya eklendi"),
        calls=(
            "cevapsız sesli arama",
            "cevapsız görüntülü arama",
        ),
    ),
    "ar": Words(
        (
            "تم استبعاد الوسائط",
            "لم يتم إدراج الصورة",
            "لم يتم إدراج الفيديوهات",
            "لم يتم إدراج المقاطع الصوتية",
            "لم يتم إدراج بطاقة جهة اتصال",
            "لم يتم إدراج المستند",
            "لم يتم إدراج صورة gif",
            "تم حذف الملصقات",
        ),
        ("تم حذف هذه الرسالة", "لقد حذَفت هذه الرسالة", "أنت حذفت هذه الرسالة", "حذفت هذه الرسالة"),
        (),
        ("الرسائل والمكالمات مشفرة تمامًا بين الطرفين",),
        ("الملف مرفق",),
        calls=(
            "مكالمة صوتية فائتة",
            "مكالمة فيديو فائتة",
        ),
    ),
    "hi": Words(
        (
            "मीडिया के बिना",
            "फ़ोटो हटाई गई",
            "वीडियो छोड़ा गया",
            "ऑडियो हटाई गयी",
            "स्टिकर छोड़ा गया",
            "gif छोड़ा गया",
            "डॉक्यूमेंट छोड़ा गया",
            "कॉन्टैक्ट कार्ड छोड़ा गया",
        ),
        ("यह मैसेज डिलीट कर दिया गया है", "आपने यह मैसेज डिलीट किया"),
        (),
        ("मैसेजेस और कॉल्स एंड-टू-एंड एन्क्रिप्टेड हैं",),
        ("फाइल अटैच कर दी गई है", "फाइल संलग्न"),
        calls=(
            "वॉइस कॉल मिस हुई",
            "मिस्ड वॉइस कॉल",
            "मिस्ड वीडियो कॉल",
        ),
    ),
    "id": Words(
        (
            "media tidak disertakan",
            "gambar tidak disertakan",
            "video tidak disertakan",
            "audio tidak disertakan",
            "stiker tidak disertakan",
            "gif tidak disertakan",
            "dokumen tidak disertakan",
            "kartu kontak tidak disertakan",
        ),
        ("pesan ini dihapus", "anda menghapus pesan ini"),
        (),
        ("pesan dan panggilan terenkripsi secara end-to-end", "kode keamanan anda dengan"),
        ("file terlampir",),
        calls=(
            "panggilan suara tak terjawab",
            "panggilan video tak terjawab",
        ),
    ),
    "zh": Words(
        (
            "省略影音内容",
            "省略多媒体文件",
            "已省略多媒體檔案",
            "忽略多媒體檔",
            "圖像已省略",
            "照片已忽略",
            "影片已略去",
            "影片已省略",
            "音訊已略去",
            "音訊已省略",
            "貼圖已略去",
            "貼圖已忽略",
            "贴图已省略",
            "gif 已略去",
            "gif 圖片已被省略",
            "聯絡人卡片已略去",
            "聯絡人卡片已省略",
            "联系人卡片已忽略",
            "文件已略去",
            "文档已省略",
            "省略多媒體檔案",
            "媒体省略",
            "图像已忽略",
            "音频已忽略",
            "贴图已忽略",
            "视频已忽略",
            "文件已忽略",
            "文档已忽略",
            "gif 动态图已被忽略",
            "圖片已略去",
        ),
        ("消息已删除", "这条消息已删除", "此訊息已刪除", "你已刪除此訊息"),
        ("这条消息已经过编辑",),
        (
            "消息和通话已进行端到端加密",
            "消息和通话都进行端到端加密",
            "訊息和通話經端對端加密",
            "訊息已受端對端加密保護",
        ),
        ("附件", "文件附件", "附件檔案"),
        calls=(
            "未接语音通话",
            "未接视频通话",
            "未接語音通話",
            "未接視像通話",
        ),
    ),
    "ja": Words(
        (
            "メディアは含まれていません",
            "メディアなし",
            "画像は含まれていません",
            "ビデオは含まれていません",
            "音声は含まれていません",
            "スタンプは含まれていません",
            "gifは含まれていません",
            "ドキュメントは含まれていません",
            "連絡先カードを省略",
        ),
        ("このメッセージは削除されました", "このメッセージを削除しました"),
        (),
        ("メッセージと通話はエンドツーエンド暗号化されています",),
        ("添付ファイル有り", "添付ファイル", "ファイル添付"),
        calls=(
            "音声通話不在着信",
            "ビデオ通話不在着信",
            "不在着信",
        ),
    ),
    "th": Words(
        (
            "ไม่มีรูปภาพ",
            "วิดีโอถูกลบ",
            "ไม่มีไฟล์เสียง",
            "ไม่มีสติกเกอร์",
            "ละเว้น gif",
            "ละเว้นเอกสาร",
            "บัตรรายชื่อที่ละเว้น",
        ),
        ("ข้อความนี้ถูกลบแล้ว", "คุณได้ลบข้อความนี้"),
        (),
        ("ข้อความและการโทรได้รับการเข้ารหัสจากต้นทางถึงปลายทาง", "รหัสความปลอดภัยของคุณกับ"),
        ("ไฟล์ที่แนบ",),
        calls=(
            "สายที่ไม่ได้รับ",
            "วิดีโอคอลที่ไม่ได้รับ",
        ),
    ),
    "vi": Words(
        (
            "đã bỏ qua hình ảnh",
            "đã bỏ video",
            "bỏ qua tệp âm thanh",
            "đã bỏ sticker",
            "đã bỏ qua ảnh gif",
            "đã bỏ qua tài liệu",
            "bỏ qua thẻ liên lạc",
        ),
        ("tin nhắn này đã bị xóa", "bạn đã xoá tin nhắn này"),
        (),
        ("tin nhắn và cuộc gọi được mã hóa đầu cuối", "mã bảo mật của bạn với"),
        ("tệp đính kèm",),
        calls=(
            "cuộc gọi nhỡ",
            "cuộc gọi nhỡ video",
        ),
    ),
    "ko": Words(
        (
            "미디어 생략",
            "미디어 파일을 생략한 대화내용",
            "이미지 생략됨",
            "비디오 생략됨",
            "동영상 생략됨",
            "오디오 생략됨",
            "스티커 제외됨",
            "gif 생략됨",
            "문서 생략됨",
            "연락처 카드 생략됨",
        ),
        (),
        (),
        ("메시지 및 전화는 종단간 암호화되어 안전합니다",),
        ("파일 첨부됨",),
        calls=(
            "부재중 전화",
            "부재중 영상통화",
        ),
    ),
}
"""Language → WhatsApp's words in it."""


def fold(text: str) -> str:
    """``text`` as it is compared: one Unicode form, without case, outer space and full stop."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.casefold().strip().rstrip(".。").strip()


def _all(kind: str) -> frozenset[str]:
    return frozenset(fold(word) for words in WORDS.values() for word in getattr(words, kind))


ALL_OMITTED, ALL_DELETED = _all("omitted"), _all("deleted")
ALL_EDITED, ALL_ATTACHED = _all("edited"), _all("attached")
ALL_CALLS = _all("calls")
NOTICES = tuple(sorted(_all("notices")))
