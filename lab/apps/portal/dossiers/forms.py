"""What a citizen fills in; it never changes what was written, so that content can be compared byte by byte."""

import re

from django import forms

PHONE = re.compile(r"^\+?[0-9]{8,14}$")
ATTACHMENT_BYTES_MAX = 20 * 1024 * 1024


class DossierForm(forms.Form):
    client_ref = forms.UUIDField(widget=forms.HiddenInput)
    applicant_name = forms.CharField(label="Họ và tên người nộp", max_length=200, strip=False)
    applicant_phone = forms.RegexField(PHONE, label="Số điện thoại", error_messages={"invalid": "Số không hợp lệ"})
    applicant_email = forms.EmailField(label="Thư điện tử", required=False, max_length=200)
    address = forms.CharField(label="Địa chỉ", max_length=300, strip=False)
    note = forms.CharField(label="Nội dung đề nghị", required=False, strip=False, widget=forms.Textarea)
    attachment = forms.FileField(label="Tệp đính kèm", required=False, max_length=255)

    def clean_attachment(self):
        uploaded = self.cleaned_data.get("attachment")
        if uploaded and uploaded.size > ATTACHMENT_BYTES_MAX:
            raise forms.ValidationError("Tệp đính kèm không được quá 20 MB.")
        return uploaded


class PaymentForm(forms.Form):
    client_ref = forms.UUIDField(widget=forms.HiddenInput)
