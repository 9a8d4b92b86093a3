"""The Vietnamese words that invented data are made of; it decides nothing."""

SECTORS = (
    ("Hộ tịch", "ho-tich", "Sở Tư pháp"),
    ("Đất đai", "dat-dai", "Sở Nông nghiệp và Môi trường"),
    ("Xây dựng", "xay-dung", "Sở Xây dựng"),
    ("Thành lập và hoạt động của doanh nghiệp", "doanh-nghiep", "Sở Tài chính"),
    ("Du lịch", "du-lich", "Sở Văn hóa, Thể thao và Du lịch"),
    ("Y tế", "y-te", "Sở Y tế"),
    ("Giáo dục và đào tạo", "giao-duc", "Sở Giáo dục và Đào tạo"),
    ("Giao thông vận tải", "giao-thong", "Sở Xây dựng"),
    ("Lao động, việc làm", "lao-dong", "Sở Nội vụ"),
    ("Thủy sản", "thuy-san", "Sở Nông nghiệp và Môi trường"),
    ("Bảo trợ xã hội", "bao-tro-xa-hoi", "Sở Y tế"),
    ("An toàn thực phẩm", "an-toan-thuc-pham", "Sở Y tế"),
    ("Công chứng, chứng thực", "chung-thuc", "Sở Tư pháp"),
    ("Khoa học và công nghệ", "khoa-hoc", "Sở Khoa học và Công nghệ"),
    ("Điện, năng lượng", "dien", "Sở Công Thương"),
    ("Phòng cháy, chữa cháy", "pccc", "Công an tỉnh"),
)
ACTIONS = (
    "Cấp mới",
    "Cấp lại",
    "Cấp đổi",
    "Gia hạn",
    "Điều chỉnh",
    "Thu hồi",
    "Đăng ký",
    "Đăng ký thay đổi",
    "Xác nhận",
    "Thẩm định",
    "Phê duyệt",
    "Công bố",
    "Chấm dứt",
    "Sửa đổi, bổ sung",
)
OBJECTS = (
    "giấy phép hoạt động",
    "giấy chứng nhận đủ điều kiện",
    "chứng chỉ hành nghề",
    "giấy phép xây dựng công trình",
    "quyền sử dụng đất",
    "khai sinh có yếu tố nước ngoài",
    "hộ kinh doanh",
    "giấy phép lái xe",
    "thẻ hướng dẫn viên du lịch",
    "tàu cá",
    "bản sao từ sổ gốc",
    "hồ sơ trợ cấp hằng tháng",
    "phương án bảo vệ môi trường",
)
SCOPES = ("", "đối với cá nhân", "đối với tổ chức", "tại đơn vị hành chính cấp xã", "thuộc thẩm quyền cấp tỉnh")
DOCUMENTS = (
    "Đơn đề nghị theo mẫu",
    "Bản sao căn cước công dân",
    "Bản sao giấy tờ chứng minh quyền sử dụng",
    "Ảnh chân dung 3×4",
    "Báo cáo thuyết minh",
    "Bản vẽ thiết kế",
    "Văn bản ủy quyền (nếu có)",
)
STEPS = ("Nộp hồ sơ", "Tiếp nhận, kiểm tra", "Thẩm định", "Ký duyệt", "Trả kết quả")

FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Cao")
MIDDLE = ("Văn", "Thị", "Hữu", "Ngọc", "Đức", "Thanh", "Minh", "Quốc", "Kim", "Xuân", "Gia")
GIVEN = ("An", "Bình", "Châu", "Dũng", "Đạt", "Giang", "Hạnh", "Hiếu", "Hương", "Khánh", "Lan", "Linh", "Mỹ", "Nghĩa")
GIVEN += ("Oanh", "Phúc", "Quỳnh", "Sơn", "Thảo", "Tuấn", "Uyên", "Vinh", "Ý", "Yến")
PLACES = ("phường Nha Trang", "phường Bắc Nha Trang", "phường Cam Ranh", "phường Ninh Hòa", "xã Vạn Ninh")
PLACES += ("xã Diên Khánh", "xã Khánh Vĩnh", "xã Cam Lâm", "phường Phan Rang", "phường Đô Vinh", "xã Ninh Phước")
STREETS = ("Trần Phú", "Lê Thánh Tôn", "Hùng Vương", "Nguyễn Thiện Thuật", "2 Tháng 4", "Thống Nhất", "Yersin")

FILE_NAMES = (
    "Đơn đề nghị cấp giấy phép xây dựng.pdf",
    "Giấy khai sinh (bản sao).jpg",
    "Ảnh thẻ 3×4.png",
    "Hợp đồng thuê nhà - đã công chứng.docx",
    "Bản vẽ mặt bằng tầng trệt.dwg",
    "Sổ hộ khẩu  trang 2.jpg",
    "Giấy ủy quyền của bà Nguyễn Thị Mỹ.pdf",
    "Báo cáo thẩm định giá – năm 2025.xlsx",
    "Chứng chỉ hành nghề dược.PDF",
    "Lý lịch tư pháp số 1 & số 2.pdf",
    "Quyết định 15%2F2024.txt",
    "Tờ khai 'mẫu số 01' #3.odt",
    "Phiếu khám sức khỏe + ảnh.png",
)
GROUPS = (
    "Một cửa cấp tỉnh",
    "Một cửa cấp xã",
    "Cán bộ thẩm định",
    "Lãnh đạo phê duyệt",
    "Kế toán",
    "Biên tập nội dung",
)
GROUPS += ("Quản trị hệ thống", "Thanh tra, kiểm tra")
