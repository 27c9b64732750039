"""Towns that a postcode stands before, folded: the larger ones of the seven countries, and how they are called by neighbours."""

TOWNS = frozenset(town.replace("-", " ") for town in """
berlin hamburg munchen koln frankfurt stuttgart dusseldorf leipzig dortmund essen bremen dresden hannover nurnberg duisburg bochum wuppertal bielefeld
bonn munster mannheim karlsruhe augsburg wiesbaden monchengladbach gelsenkirchen aachen braunschweig kiel chemnitz halle magdeburg freiburg krefeld
mainz lubeck erfurt oberhausen rostock kassel hagen potsdam saarbrucken hamm ludwigshafen oldenburg mulheim osnabruck leverkusen heidelberg darmstadt
solingen regensburg herne paderborn neuss ingolstadt offenbach furth wurzburg ulm heilbronn pforzheim wolfsburg gottingen bottrop reutlingen koblenz
bremerhaven erlangen bergisch jena trier recklinghausen remscheid salzgitter moers siegen gutersloh hildesheim hanau kaiserslautern cottbus schwerin
witten esslingen ludwigsburg giessen gera duren tubingen flensburg zwickau iserlohn villingen konstanz worms marburg luneburg bayreuth bamberg celle
greifswald stralsund passau landshut rosenheim kempten fulda weimar
paris marseille lyon toulouse nice nantes montpellier strasbourg bordeaux lille rennes reims toulon saint-etienne grenoble dijon angers nimes villeurbanne
clermont aix brest tours amiens limoges annecy perpignan boulogne metz besancon orleans rouen mulhouse caen nancy argenteuil montreuil tourcoing avignon
roubaix creteil poitiers dunkerque versailles colombes asnieres vitry pau calais cannes antibes la-rochelle lorient quimper bayonne troyes valence chambery
roma milano napoli torino palermo genova bologna firenze bari catania verona venezia messina padova trieste brescia parma prato modena reggio perugia
ravenna livorno cagliari foggia rimini salerno ferrara sassari latina monza siracusa pescara bergamo forli trento vicenza terni bolzano novara piacenza
ancona andria arezzo udine cesena lecce pisa como lucca treviso varese siena
madrid barcelona valencia sevilla zaragoza malaga murcia palma bilbao alicante cordoba valladolid vigo gijon hospitalet vitoria coruna granada elche
oviedo badalona cartagena terrassa jerez sabadell mostoles alcala pamplona fuenlabrada almeria leganes donostia san-sebastian burgos santander castellon
albacete alcorcon getafe logrono badajoz salamanca huelva lleida tarragona leon cadiz jaen girona santiago toledo lugo ourense
wien graz linz salzburg innsbruck klagenfurt villach wels st-polten dornbirn steyr feldkirch bregenz leoben krems eisenstadt baden
zurich zuerich geneve genf basel bale lausanne bern berne winterthur luzern lucerne st-gallen lugano biel bienne thun koniz fribourg freiburg chur neuchatel sion
schaffhausen uster zug aarau bellinzona yverdon
""".split())
