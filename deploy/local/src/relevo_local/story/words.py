"""What the story's people, companies and pages are called. Invented; the domain ending .example belongs to nobody."""

from dataclasses import dataclass

SITE = "https://www.forjasoftware.example"

FIRST_NAMES = (
    "Ana María Lucía Marta Elena Laura Cristina Sara Raquel Silvia Nuria Montserrat Ainhoa Nerea Maite Uxía Sabela "
    "Inés Rocío Beatriz Olga Teresa Alba Irene Noelia Antonio Manuel José Javier Carlos Miguel Sergio Álvaro Pablo "
    "Jorge Rubén Óscar Iván Jordi Marc Oriol Gorka Aitor Mikel Xoán Brais Andrés Fernando Ricardo Tomás Hugo Adrián"
).split()
LAST_NAMES = (
    "García Martínez López Sánchez Romero Navarro Torres Domínguez Vázquez Ramos Gil Serrano Blanco Molina Morales "
    "Ortega Delgado Castro Ortiz Rubio Marín Sanz Iglesias Medina Garrido Cortés Castillo Santos Lozano Guerrero Cano "
    "Prieto Méndez Cruz Herrera Peña Flores Cabrera Campos Vega Fuentes Carrasco Diez Caballero Reyes Nieto Aguilar "
    "Puig Vila Serra Roca Ferrer Soler Etxeberria Aguirre Goikoetxea Urrutia Loureiro Seoane Ibarra Lasa"
).split()
TRADES = (
    "Mecanizados Talleres Metalúrgica Troqueles Fundiciones Calderería Estampaciones Moldes Utillajes Tornillería "
    "Inyectados Forjados Chapas Rodamientos Engranajes Soldaduras"
).split()
SECTORS = (
    "Mecanizado de precisión",
    "Metal",
    "Automoción",
    "Fabricación de maquinaria",
    "Industria auxiliar",
    "Alimentación",
    "Distribución",
    "Consultoría",
)
SECTOR_WEIGHTS = (6, 6, 5, 4, 4, 2, 2, 1)
ERPS = ("SAP Business One", "Navision", "Odoo", "Sage 200", "Excel", "Otro")


@dataclass(frozen=True)
class Place:
    """Where companies are, and how often."""

    town: str
    region: str
    country: str
    language: str
    weight: int


PLACES = (
    Place("Getafe", "Madrid", "ES", "es", 9),
    Place("Alcalá", "Madrid", "ES", "es", 6),
    Place("Zaragoza", "Zaragoza", "ES", "es", 8),
    Place("Valladolid", "Valladolid", "ES", "es", 6),
    Place("Burgos", "Burgos", "ES", "es", 5),
    Place("Sevilla", "Sevilla", "ES", "es", 6),
    Place("Elche", "Alicante", "ES", "es", 5),
    Place("Paterna", "Valencia", "ES", "es", 7),
    Place("Lorquí", "Murcia", "ES", "es", 3),
    Place("Telde", "Las Palmas", "ES", "es", 2),
    Place("Terrassa", "Barcelona", "ES", "ca", 9),
    Place("Manresa", "Barcelona", "ES", "ca", 6),
    Place("Olot", "Girona", "ES", "ca", 3),
    Place("Eibar", "Gipuzkoa", "ES", "eu", 5),
    Place("Elgoibar", "Gipuzkoa", "ES", "eu", 4),
    Place("Vigo", "Pontevedra", "ES", "gl", 4),
    Place("Ferrol", "A Coruña", "ES", "gl", 2),
    Place("Braga", "Braga", "PT", "pt", 4),
    Place("Águeda", "Aveiro", "PT", "pt", 3),
    Place("Lyon", "Rhône", "FR", "fr", 3),
    Place("Brescia", "Lombardia", "IT", "it", 3),
    Place("Ulm", "Baden-Württemberg", "DE", "de", 3),
)

# Job titles by who they are in personas.yaml; `other` is nobody we look for.
TITLES = {
    "operations": (
        "Directora de operaciones",
        "Jefe de producción",
        "Responsable de planta",
        "Director de producción",
        "Jefa de fábrica",
    ),
    "it": ("Responsable de sistemas", "Director de informática", "Responsable de transformación digital"),
    "finance": ("Directora financiera", "Responsable de compras", "Controller financiero"),
    "owner": ("Gerente", "Directora general", "Fundador", "Propietaria"),
    "other": ("Técnico de calidad", "Oficina técnica", "Comercial", "Programador CNC"),
}


@dataclass(frozen=True)
class Page:
    path: str
    title: str

    @property
    def url(self) -> str:
        return SITE + self.path


PRICES = Page("/precios", "Precios")
DEMO = Page("/solicitar-demo", "Solicita una demo")
PRODUCT_PAGES = (
    Page("/producto/planificacion", "Planificación de la producción"),
    Page("/producto/captura-en-planta", "Captura de datos en planta"),
    Page("/producto/conexion-erp", "Conexión con su ERP"),
    Page("/casos/mecanizados", "Caso de éxito: un 18 % menos de retrasos"),
    Page("/casos/fundicion", "Caso de éxito: planificar una fundición"),
)
OTHER_PAGES = (
    Page("/", "Forja Software: planifique su taller"),
    Page("/blog/oee-sin-excel", "El OEE, sin Excel"),
    Page("/blog/cuellos-de-botella", "Encuentre sus cuellos de botella"),
    Page("/nosotros", "Quiénes somos"),
)
GUIDES = (
    Page("/guias/planificar-un-taller", "Guía: planificar un taller en siete pasos"),
    Page("/guias/oee", "Guía: calcular el OEE"),
    Page("/guias/elegir-mes", "Guía: elegir un MES"),
)
QUESTIONS = (
    "¿Se conecta con nuestro ERP? Trabajamos con {erp}.",
    "Tenemos {machines} máquinas y planificamos en Excel. ¿Cuánto se tarda en implantarlo?",
    "Queremos ver la planificación con nuestros propios datos. ¿Nos hacen una demo?",
    "¿Qué costaría para {machines} máquinas y dos turnos?",
    "Nos gustaría ver cómo se capturan los datos en planta.",
    "",
)
FAIR = "Feria Taller Conectado"
AMOUNTS = (4_800, 7_200, 9_600, 12_500, 18_000, 24_000, 36_000)
USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
)
