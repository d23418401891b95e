"""Names of people and places of the demo country. Four regions, each with its own custom of naming.

Every list of a kind has the same length in each region: the generator picks by position.
"""

# fmt: off
GIVEN_FEMALE = (
    # Highlands
    ("Abeba", "Almaz", "Aster", "Bethel", "Desta", "Eden", "Elsabet", "Fana", "Genet", "Hanna", "Hirut", "Kidist",
     "Lemlem", "Liya", "Makeda", "Marta", "Mihret", "Rahel", "Saba", "Selam", "Tigist", "Tsehay", "Yordanos", "Zewdi"),
    # Lakes
    ("Achieng", "Adhiambo", "Akinyi", "Amani", "Atieno", "Beatrice", "Eunice", "Faith", "Grace", "Imani", "Jane", "Joyce",
     "Lillian", "Mercy", "Mumbi", "Naliaka", "Nekesa", "Njeri", "Purity", "Rehema", "Wambui", "Wanjiru", "Winnie", "Zawadi"),
    # Coast
    ("Aisha", "Amina", "Asha", "Fatma", "Halima", "Hawa", "Jamila", "Khadija", "Latifa", "Mariam", "Mwanaisha", "Nadia",
     "Najma", "Nasra", "Rukia", "Saida", "Salma", "Shamsa", "Siti", "Subira", "Swabra", "Yasmin", "Zainab", "Zuhura"),
    # Plains
    ("Anita", "Asmita", "Bimala", "Devika", "Gita", "Indira", "Kamala", "Kavita", "Laxmi", "Leela", "Maya", "Meena",
     "Nirmala", "Parvati", "Priya", "Radha", "Rekha", "Sabita", "Sarita", "Shanti", "Sita", "Sunita", "Uma", "Usha"),
)
GIVEN_MALE = (
    ("Abebe", "Amanuel", "Bekele", "Biruk", "Dawit", "Elias", "Ermias", "Fikru", "Girma", "Hailu", "Kebede", "Kidane",
     "Mekonnen", "Mulugeta", "Natnael", "Samson", "Solomon", "Tadesse", "Tekle", "Tesfaye", "Worku", "Yared", "Yohannes", "Zerihun"),
    ("Baraka", "Brian", "Charles", "Daniel", "Dennis", "Evans", "Francis", "George", "James", "Joseph", "Juma", "Kamau",
     "Kevin", "Kiprono", "Moses", "Mutua", "Mwangi", "Odhiambo", "Omondi", "Otieno", "Peter", "Samuel", "Simiyu", "Wafula"),
    ("Abdalla", "Ahmed", "Ali", "Bakari", "Faraj", "Farid", "Hamisi", "Hassan", "Ibrahim", "Idris", "Ismail", "Jabir",
     "Khalid", "Mbarak", "Mohamed", "Musa", "Nassir", "Omar", "Rashid", "Said", "Salim", "Suleiman", "Yusuf", "Zuberi"),
    ("Anil", "Arjun", "Bikash", "Bishnu", "Deepak", "Dinesh", "Ganesh", "Gopal", "Hari", "Ishwar", "Kiran", "Krishna",
     "Mahesh", "Mohan", "Nabin", "Prakash", "Raju", "Ramesh", "Sanjay", "Shyam", "Sunil", "Suresh", "Umesh", "Vijay"),
)
FAMILY = (
    ("Abate", "Alemu", "Assefa", "Ayele", "Belay", "Berhanu", "Demissie", "Eshetu", "Fekadu", "Gebre", "Getachew", "Haile",
     "Kassa", "Lemma", "Mamo", "Mengistu", "Negash", "Regassa", "Seyoum", "Tafari", "Tilahun", "Wolde", "Yimer", "Zeleke"),
    ("Barasa", "Chebet", "Gitau", "Kariuki", "Karanja", "Kiplagat", "Kimani", "Koech", "Lagat", "Maina", "Makori", "Muriuki",
     "Musyoka", "Mutiso", "Ndung'u", "Nyambura", "Ochieng", "Okello", "Onyango", "Opiyo", "Rotich", "Wanyama", "Wekesa", "Were"),
    ("Abubakar", "Athman", "Awadh", "Badru", "Chande", "Darwesh", "Fadhil", "Ghalib", "Haji", "Jaffar", "Juma", "Kassim",
     "Lali", "Mwinyi", "Mzee", "Nassor", "Omari", "Rajab", "Sharif", "Shee", "Sudi", "Twalib", "Vuai", "Yakub"),
    ("Adhikari", "Bhatta", "Chaudhary", "Das", "Devkota", "Gurung", "Joshi", "Karki", "Khadka", "Lama", "Magar", "Mandal",
     "Nayak", "Oli", "Pandey", "Poudel", "Rai", "Rana", "Sahu", "Sharma", "Shrestha", "Tamang", "Thapa", "Yadav"),
)
OCCUPATIONS = (
    "Farmer", "Day labourer", "Market trader", "Fisher", "Herder", "Tailor", "Driver", "Mason", "Teacher", "Carpenter",
    "Domestic worker", "Shopkeeper", "Weaver", "Mechanic", "Unemployed", "Farmer",
)
# fmt: on

COUNTRY = ("DM", "Demo Republic")
REGIONS = ("Highlands", "Lakes", "Coast", "Plains")
# Three districts a region, five wards a district.
DISTRICTS = (
    ("Amba", "Debre", "Semen"),
    ("Kisa", "Nyando", "Soko"),
    ("Bandari", "Mkoko", "Pwani"),
    ("Birtola", "Kosi", "Madhya"),
)
WARDS = ("Central", "Upper", "Lower", "East", "West")
