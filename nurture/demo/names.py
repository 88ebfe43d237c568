"""Words that invented people and companies are made of."""

from __future__ import annotations

from typing import Final

FIRST_NAMES: Final = {
    "pl": ("Anna", "Katarzyna", "Magda", "Agnieszka", "Ewa", "Zofia", "Piotr", "Tomasz", "Marcin", "Paweł", "Jakub", "Łukasz", "Wojciech", "Kamil"),
    "cs": ("Jana", "Lucie", "Tereza", "Petra", "Eliška", "Hana", "Jan", "Tomáš", "Petr", "Martin", "Ondřej", "Lukáš", "Jiří", "Vojtěch"),
    "de": ("Anke", "Sabine", "Julia", "Katrin", "Lena", "Birgit", "Jürgen", "Stefan", "Uwe", "Markus", "Jonas", "Thomas", "Matthias", "Felix"),
    "en": ("Alice", "Emma", "Grace", "Olivia", "Ruth", "Karin", "Oliver", "James", "Henry", "Erik", "Samuel", "George", "Lars", "David"),
}
LAST_NAMES: Final = {
    "pl": ("Nowicka", "Zielińska", "Wrona", "Kowalczyk", "Mazur", "Krawczyk", "Dudek", "Wilk", "Sikora", "Baran", "Górska", "Lis", "Pawlak", "Bąk"),
    "cs": ("Nováková", "Svobodová", "Dvořák", "Černý", "Procházka", "Kučera", "Veselý", "Horák", "Němec", "Pokorná", "Marek", "Beneš", "Fiala", "Růžička"),
    "de": ("Vogel", "Brandt", "Krüger", "Schäfer", "Lindner", "Winter", "Keller", "Busch", "Franke", "Seidel", "Jäger", "Weiß", "Haas", "Engel"),
    "en": ("Carter", "Hughes", "Bennett", "Palmer", "Reed", "Lindqvist", "Walsh", "Foster", "Grant", "Hale", "Norberg", "Page", "Stone", "Wells"),
}
ROLES: Final = {
    "pl": ("Dyrektor IT", "Kierownik IT", "Specjalista ds. bezpieczeństwa", "Administrator", "Prezes", "CFO", "Stażystka", "Kierownik operacyjny"),
    "cs": ("Ředitel IT", "Vedoucí IT", "Správce sítě", "Bezpečnostní manažer", "Jednatel", "CFO", "Provozní ředitel"),
    "de": ("Leiter IT", "IT-Leiter", "Administrator", "Datenschutzbeauftragter", "Geschäftsführer", "Einkauf", "Praktikant", "Leiterin Operations"),
    "en": ("Head of IT", "IT Manager", "CIO", "CISO", "IT Administrator", "Operations Manager", "Finance Director", "Owner", "Student"),
}
COMPANY_STARTS: Final = (
    "Northfield", "Brightmill", "Amberline", "Riverstone", "Oakhurst", "Silverbay", "Stonegate", "Westbrook", "Larkspur", "Fernhill",
    "Copperfield", "Highmoor", "Eastwick", "Greyfriar", "Ashdown", "Blackwater", "Clearview", "Duneside", "Elmwood", "Foxglove",
    "Harborlight", "Ironbridge", "Kingsmead", "Longacre", "Millbrook", "Newhaven", "Orchard", "Pinecrest", "Redwing", "Sandford",
)
COMPANY_ENDS: Final = (
    "Logistics", "Clinics", "Foods", "Metals", "Insurance", "Retail", "Energy", "Transport", "Systems", "Components", "Care", "Bank",
    "Works", "Textiles", "Packaging", "Instruments",
)
