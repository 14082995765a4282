"""Names for invented members: people, cities, brands; any likeness to a real person is chance."""

_FIRST_NAMES = """
Ada Adrian Agnes Aisha Alba Alessio Amina Anders Anika Anton Astrid Aurelio Beatrix Benno Bruno Camille Carla Cedric
Chiara Clara Cosmo Dalia Daniel Daria Dorothea Edda Edgar Elena Elias Elif Emil Enzo Esther Eva Farah Felix Fiona
Florian Frida Gabriel Gemma Greta Gustav Hana Hannes Hedwig Helena Hugo Ida Igor Ilse Imran Ines Iris Isak Ivana Jakob
Jana Jasper Johanna Josef Julia Kaan Karin Kaspar Katja Kilian Lara Lena Lennart Leila Linus Livia Lorenz Lucia Ludwig
Magda Malik Marek Marta Mateo Maya Mila Nadia Naomi Nils Nina Noah Nora Olga Oscar Otto Paula Pavel Petra Quentin Rafael
Rania Rita Robin Rosa Samir Selma Silas Sofia Stella Sven Tamar Teresa Theo Tilda Tobias Ursula Vera Viktor Vincent
Wanda Yara Yusuf Zoe
"""
FIRST_NAMES = tuple(_FIRST_NAMES.split())

_LAST_NAMES = """
Abendroth Achterberg Adeyemi Albrecht Almeida Amsel Andersen Arendt Bachmeier Baranov Barlow Bellweather Benedetti
Berger Birkholm Blackwood Bogdan Bramley Brightwell Caldera Carrow Castell Chandra Claessen Corvin Dahlgren Dall
Delacroix Dietz Dragan Dunmore Eberhard Eklund Elsworth Engel Fairbanks Falk Farouk Feldmann Ferreira Finch Fjord
Forsythe Galvin Garrick Gerlach Glass Goldhorn Greenaway Grimaldi Haddad Halloran Hartwig Hawthorn Heller Holloway
Ibarra Ilves Iversen Jansson Jarvis Kaminski Karlsen Kessler Kimura Kowal Krause Lambrecht Larkspur Lindqvist Lombard
Lowell Madsen Malinov Marchetti Marlowe Mbeki Merriweather Mertens Moreau Nakamura Navarro Nightingale Nordahl Novak
Oakley Oduya Olsson Orlov Ortega Paget Palmgren Pereira Petrov Pickering Quist Rahimi Ravenscroft Reinholt Ribeiro
Rosenquist Sadowski Sandoval Santoro Schilling Seidel Silvestri Sommer Stavros Tanaka Thackeray Thornbury Tiedemann
Toussaint Ulrich Underhill Valente Vandermeer Velasco Vogel Wakefield Waldstein Whitlock Winterberg Yilmaz Zeller
"""
LAST_NAMES = tuple(_LAST_NAMES.split())

# (city, share of the members)
CITIES = (
    ("Larkhaven", 40),
    ("Brookmere", 17),
    ("Millford", 12),
    ("Oakhollow", 9),
    ("Saltmarsh", 7),
    ("Copperton", 5),
    ("Windrush Hill", 4),
    ("Pinecross", 3),
    ("Lower Fennick", 2),
    ("Eastfold", 1),
)

BRANDS = ("Velora", "Norrwind", "Pedalix", "Kestrel Cycles", "Montara", "Tramontana", "Bluebolt", "Halden", "Roadfox", "Cargonaut")

COLOURS = ("black", "silver", "red", "blue", "green", "white", "yellow", "orange")

# (type of bike, share of the bikes)
BIKE_TYPES = (("city", 34), ("touring", 18), ("road", 11), ("mountain", 12), ("e-bike", 15), ("cargo", 4), ("children", 6))
